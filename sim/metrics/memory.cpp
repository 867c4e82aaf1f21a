#include "sim/metrics/memory.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace orrery::sim {
namespace {

/// A memory event with its time.
struct Change {
    double time_s = 0;
    const MemoryEvent* event = nullptr;
};

/// In order of time; at one moment what is given back comes first.
std::vector<Change> changes_of(const Program& program, const Timeline& timeline, RankId rank) {
    const std::vector<MemoryEvent>& events = program.program_of(rank).memory;
    std::vector<Change> changes;
    changes.reserve(events.size());
    for (const MemoryEvent& event : events) {
        const std::size_t task = program.first_task[rank()] + event.task();
        changes.push_back({event.bytes > 0 ? timeline.start[task] : timeline.end[task], &event});
    }
    std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
        if (a.time_s != b.time_s) return a.time_s < b.time_s;
        return (a.event->bytes < 0) > (b.event->bytes < 0);
    });
    return changes;
}

double sum(const BytesByKind& bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), 0.0);
}

RankMemory measure_rank(const Program& program, const Timeline& timeline, RankId id) {
    const Rank& rank = program.ranks[id()];
    RankMemory memory;
    memory.rank = id;
    memory.multiplicity = rank.multiplicity;
    memory.pipeline_device = rank.pipeline_device;
    BytesByKind held = program.program_of(id).static_bytes;
    memory.static_bytes = sum(held);
    memory.peak_bytes = memory.static_bytes;
    memory.by_kind = held;
    double total = memory.static_bytes;
    for (const Change& change : changes_of(program, timeline, id)) {
        held[static_cast<std::size_t>(change.event->kind)] += change.event->bytes;
        total += change.event->bytes;
        if (total <= memory.peak_bytes) continue;
        memory.peak_bytes = total;
        memory.peak_time_s = change.time_s;
        memory.peak_task = change.event->task;
        memory.by_kind = held;
    }
    memory.end_bytes = total;
    return memory;
}

}  // namespace

ClusterMemory measure_memory(const Program& program, const Timeline& timeline) {
    ClusterMemory cluster;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const RankMemory& memory = cluster.per_rank.emplace_back(measure_rank(program, timeline, RankId(r)));
        if (cluster.peak_rank && memory.peak_bytes <= cluster.peak_bytes) continue;
        cluster.peak_bytes = memory.peak_bytes;
        cluster.peak_rank = RankId(r);
    }
    return cluster;
}

std::vector<AliveBytes> alive_at_peak(const Program& program, const Timeline& timeline,
                                      const RankMemory& memory) {
    std::vector<AliveBytes> alive;
    if (!memory.peak_task) return alive;
    const RankProgram& tasks = program.program_of(memory.rank);
    std::map<std::tuple<MemoryKind, std::int32_t, std::int16_t, std::int16_t>, double> bytes;
    double total = memory.static_bytes;
    for (const Change& change : changes_of(program, timeline, memory.rank)) {
        const TaskLabel& label = tasks.label[change.event->task()];
        bytes[{change.event->kind, label.micro_batch, label.chunk, label.slice}] += change.event->bytes;
        total += change.event->bytes;
        if (change.event->task == memory.peak_task && total >= memory.peak_bytes) break;
    }
    for (const auto& [key, held] : bytes) {
        const auto& [kind, micro_batch, chunk, slice] = key;
        if (held != 0) alive.push_back({kind, micro_batch, chunk, slice, held});
    }
    std::stable_sort(alive.begin(), alive.end(),
                     [](const AliveBytes& a, const AliveBytes& b) { return a.bytes > b.bytes; });
    return alive;
}

double MemorySample::total() const {
    return sum(bytes);
}

std::vector<MemorySample> memory_curve(const Program& program, const Timeline& timeline, RankId rank) {
    std::vector<MemorySample> curve = {{0, program.program_of(rank).static_bytes}};
    for (const Change& change : changes_of(program, timeline, rank)) {
        if (change.time_s != curve.back().time_s) curve.push_back({change.time_s, curve.back().bytes});
        curve.back().bytes[static_cast<std::size_t>(change.event->kind)] += change.event->bytes;
    }
    return curve;
}

}  // namespace orrery::sim
