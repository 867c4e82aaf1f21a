#include "report/memory_over_time.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/task_view.hpp"

namespace orrery::report {
namespace {

/// The curve's fullest moment in each slice, what it holds when the slice begins included.
std::vector<sim::BytesByKind> slices_of(const std::vector<sim::MemorySample>& curve, double slice_s) {
    std::vector<sim::BytesByKind> slices;
    std::size_t at = 0;  // the sample that holds now
    for (std::size_t slice = 0; slice < kMemorySlices; ++slice) {
        const double end = slice_s * static_cast<double>(slice + 1);
        std::size_t fullest = at;
        while (at + 1 < curve.size() && curve[at + 1].time_s < end) {
            ++at;
            if (curve[at].total() > curve[fullest].total()) fullest = at;
        }
        slices.push_back(curve[fullest].bytes);
    }
    return slices;
}

/// At most kMemoryRanks of them, the first and the last included.
std::vector<sim::RankId> spread(const std::vector<sim::RankId>& ranks) {
    if (ranks.size() <= kMemoryRanks) return ranks;
    std::vector<sim::RankId> some;
    for (std::size_t i = 0; i < kMemoryRanks; ++i)
        some.push_back(ranks[i * (ranks.size() - 1) / (kMemoryRanks - 1)]);
    return some;
}

}  // namespace

MemoryOverTime memory_over_time(const sim::Program& program, const sim::Timeline& timeline,
                                double capacity_bytes) {
    MemoryOverTime memory;
    memory.capacity_bytes = capacity_bytes;
    memory.slice_s = timeline.makespan() / static_cast<double>(kMemorySlices);
    if (memory.slice_s <= 0) return memory;
    const std::vector<sim::RankId> all = one_rank_per_pipeline_device(program);
    for (const sim::RankId id : spread(all)) {
        const sim::Rank& rank = program.ranks[id()];
        memory.ranks.push_back({rank.device, rank.pipeline_device,
                                slices_of(sim::memory_curve(program, timeline, id), memory.slice_s)});
    }
    if (memory.ranks.size() < all.size())
        memory.note = fmt::format("{} of {} stages are drawn.", memory.ranks.size(), all.size());
    return memory;
}

}  // namespace orrery::report
