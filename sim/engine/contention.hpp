// sim/engine/contention.hpp
//
// Which communication slows the kernels that run beside it on the same GPU: its own kernels hold
// multiprocessors and memory bandwidth. One rule for all engines.
#pragma once

#include <array>

#include "sim/program.hpp"

namespace orrery::sim {

inline constexpr std::size_t kCollectiveKinds = static_cast<std::size_t>(CollectiveKind::barrier) + 1;

/// [collective kind] time of a kernel beside it, relative to alone; >= 1.
using ComputeSlowdown = std::array<double, kCollectiveKinds>;

/// The same for every kind.
ComputeSlowdown uniform_slowdown(double factor);

/// Whether the work, on that kind of stream, slows kernels: a collective of two or more GPUs, but no
/// send-recv, and not on the tp stream, whose collectives stand between kernels.
bool holds_multiprocessors(const Program& program, const Work& work, StreamKind stream);

}  // namespace orrery::sim
