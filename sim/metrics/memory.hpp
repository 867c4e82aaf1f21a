// sim/metrics/memory.hpp
//
// What each rank's memory holds over the step: its static bytes, plus the program's memory events at their
// times (taken when the task starts, given back when it ends). Where a task ends at the moment another
// starts, what is given back is free for the other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

using BytesByKind = std::array<double, static_cast<std::size_t>(MemoryKind::kCount)>;

/// Bytes that a micro-batch (or what belongs to none: -1) holds in a chunk. Static bytes are not among them.
struct AliveBytes {
    MemoryKind kind = MemoryKind::activations;
    std::int32_t micro_batch = -1;
    std::int16_t chunk = 0;
    std::int16_t slice = 0;
    double bytes = 0;
};

struct RankMemory {
    RankId rank;
    std::uint32_t multiplicity = 1;
    std::int32_t pipeline_device = 0;
    double static_bytes = 0;
    double peak_bytes = 0;  ///< static bytes included
    double peak_time_s = 0;
    TaskId peak_task;      ///< whose start made the peak; none where the static bytes are the peak
    BytesByKind by_kind;   ///< at the peak; sums to peak_bytes
    double end_bytes = 0;  ///< after the step: static_bytes, unless the program loses bytes
};

struct ClusterMemory {
    std::vector<RankMemory> per_rank;
    RankId peak_rank;  ///< the first with the largest peak
    double peak_bytes = 0;
};

/// One moment of a rank's memory curve: what it holds from then on.
struct MemorySample {
    double time_s = 0;
    BytesByKind bytes{};

    [[nodiscard]] double total() const;
};

/// `program` must be valid and `timeline` of that program. O(events log events).
ClusterMemory measure_memory(const Program& program, const Timeline& timeline);

/// What the rank held at its peak, beside its static bytes; the largest first.
std::vector<AliveBytes> alive_at_peak(const Program& program, const Timeline& timeline,
                                      const RankMemory& memory);

/// The rank's memory over the step, one sample a moment at which it changes.
std::vector<MemorySample> memory_curve(const Program& program, const Timeline& timeline, RankId rank);

}  // namespace orrery::sim
