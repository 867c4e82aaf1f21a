#include "profiler/execute/local_work.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <variant>

#include "core/error.hpp"
#include "profiler/kernels/kernel_case.hpp"

namespace orrery::profiler {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostCopied = std::size_t{256} << 20U;  ///< a longer copy goes over the arena again

std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::size_t operands_of(const cpu::Plan& plan) {
    std::size_t bytes = 0;
    for (const std::size_t each : plan.operand_bytes) bytes += aligned(each);
    return bytes;
}

/// Twice the largest cache.
std::size_t beyond_caches() {
    const long third = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const long second = sysconf(_SC_LEVEL2_CACHE_SIZE);
    const long largest = std::max({third, second, 1L << 20});
    return std::min<std::size_t>(2 * static_cast<std::size_t>(largest), std::size_t{64} << 20U);
}

cpu::Plan plan_for(const Kernel& kernel) {
    const std::optional<KernelCase> one = case_of(kernel);
    if (!one) return {};  // nothing runs on the device
    std::optional<cpu::Plan> plan = cpu::plan_of(*one);
    if (!plan)
        throw ExperimentError("the CPU does not execute " + describe(*one) +
                              ": set training.precision to fp32, or emulate compute");
    return std::move(*plan);
}

/// Calls visit(work) for each work of the rank that is no collective, once.
template <class Visit>
void for_local_works(const sim::Program& program, sim::RankId rank, Visit visit) {
    std::vector<bool> seen(program.works.size(), false);
    for (const sim::WorkId work : program.program_of(rank).work) {
        if (seen[work()] || std::holds_alternative<sim::Collective>(program.works[work()])) continue;
        seen[work()] = true;
        visit(work);
    }
}

std::size_t largest_operands(const sim::Program& program, sim::RankId rank) {
    std::size_t largest = 0;
    for_local_works(program, rank, [&](sim::WorkId work) {
        if (const auto* copy = std::get_if<sim::Copy>(&program.works[work()])) {
            const auto bytes = static_cast<std::size_t>(std::max(copy->bytes, 0.0));
            largest = std::max(largest, 2 * aligned(std::min(bytes, kMostCopied)));
            return;
        }
        for (const Kernel& kernel : std::get<sim::KernelSequence>(program.works[work()]).kernels)
            largest = std::max(largest, operands_of(plan_for(kernel)));
    });
    return largest;
}

/// A copy as a plan of two operands.
cpu::Plan copy_plan(const sim::Copy& copy) {
    const auto bytes = static_cast<std::size_t>(std::max(copy.bytes, 0.0));
    const std::size_t part = std::min(bytes, kMostCopied);
    cpu::Plan plan;
    plan.operand_bytes = {part, part};
    plan.random = {true, false};
    plan.run = [bytes, part](std::span<std::byte* const> operands) {
        for (std::size_t done = 0; done < bytes; done += part)
            std::memcpy(operands[1], operands[0], std::min(part, bytes - done));
    };
    return plan;
}

}  // namespace

void LocalWork::AlignedDelete::operator()(std::byte* memory) const {
    ::operator delete[](memory, std::align_val_t{kAlignment});
}

double LocalWork::arena_bytes(const sim::Program& program, sim::RankId rank) {
    return 2 * static_cast<double>(largest_operands(program, rank) + beyond_caches());
}

LocalWork::LocalWork(const sim::Program& program, sim::RankId rank) : prepared_(program.works.size()) {
    for_local_works(program, rank, [&](sim::WorkId work) {
        auto prepared = std::make_unique<Prepared>();
        if (const auto* copy = std::get_if<sim::Copy>(&program.works[work()])) {
            prepared->plans.push_back(copy_plan(*copy));
        } else {
            for (const Kernel& kernel : std::get<sim::KernelSequence>(program.works[work()]).kernels) {
                if (cpu::Plan plan = plan_for(kernel); plan.run) prepared->plans.push_back(std::move(plan));
            }
        }
        prepared_[work()] = std::move(prepared);
    });
    for (Arena* arena : {&numbers_, &written_}) {
        arena->size = largest_operands(program, rank) + beyond_caches();
        arena->memory.reset(
            static_cast<std::byte*>(::operator new[](arena->size, std::align_val_t{kAlignment})));
        // Numbers between 1/16 and 17/16, as the profiler's operands: never zero.
        auto* values = reinterpret_cast<float*>(arena->memory.get());
        std::uint32_t state = 1;
        for (std::size_t i = 0; i < arena->size / sizeof(float); ++i) {
            state = state * 1664525U + 1013904223U;
            values[i] = static_cast<float>(state >> 8U) / static_cast<float>(1U << 24U) + 0.0625F;
        }
    }
}

std::byte* LocalWork::Arena::take(std::size_t bytes) {
    if (next + bytes > size) next = 0;
    std::byte* const at = memory.get() + next;
    next += aligned(bytes);
    return at;
}

void LocalWork::run(sim::WorkId work) {
    for (const cpu::Plan& plan : prepared_[work()]->plans) run(plan);
}

void LocalWork::run(const cpu::Plan& plan) {
    operands_.clear();
    for (std::size_t i = 0; i < plan.operand_bytes.size(); ++i)
        operands_.push_back((plan.random[i] ? numbers_ : written_).take(plan.operand_bytes[i]));
    plan.run(operands_);
}

}  // namespace orrery::profiler
