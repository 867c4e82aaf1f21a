// profiler/kernels/cpu/plan.hpp
//
// How the CPU executes a kernel case: which operands it takes, and the function over them. The backend below
// allocates operands for it; an executor may hand in its own.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "profiler/kernels/kernel_case.hpp"

namespace orrery::profiler::cpu {

struct Plan {
    std::vector<std::size_t> operand_bytes;
    /// Operands that the kernel only reads and that hold numbers; the others may hold anything.
    std::vector<bool> random;
    /// Runs once over operands of those sizes, aligned to 64 bytes.
    std::function<void(std::span<std::byte* const>)> run;
};

/// Nothing for a case that the CPU does not execute (16-bit products, graphs).
std::optional<Plan> plan_of(const KernelCase& kernel_case);

}  // namespace orrery::profiler::cpu
