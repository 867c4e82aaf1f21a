#include "sim/engine/flow_kernels.hpp"

#include <algorithm>
#include <bit>

namespace orrery::sim {
namespace {

/// The last unfinished task of that stream that has to end before `head`, of another one, can start.
std::int64_t waits_for(const FlowRank& rank, std::uint32_t head, std::uint32_t stream_id) {
    const std::uint32_t not_ended = rank.streams[stream_id].head;
    std::int64_t last = FlowKernels::kNoneIsSafe;
    const auto after = [&](std::uint32_t before, std::uint32_t stream) {
        if (stream == stream_id && before >= not_ended) last = std::max<std::int64_t>(last, before);
    };
    if (head > rank.issued) after(rank.issued, rank.tasks[rank.issued].stream);
    const PackedTask& task = rank.tasks[head];
    if (task.dependencies == 1) {
        after(task.first, task.first_stream);
        return last;
    }
    for (std::uint32_t d = task.first; d < task.first + task.dependencies; ++d)
        after(rank.dependencies[d].task, rank.dependencies[d].stream);
    return last;
}

}  // namespace

FlowKernels::FlowKernels(FlowState& s, FlowEvents& e, const FlowFaults& f, const ComputeSlowdown& factors,
                         std::uint32_t slot)
    : state(s), events(e), faults(f), slowdown(factors), first_slot(slot), kernels(s.streams.size()) {
    const Program& program = state.program;
    holds.resize(program.works.size());
    kind.resize(program.works.size());
    for (std::size_t w = 0; w < program.works.size(); ++w) {
        const auto* collective = std::get_if<Collective>(&program.works[w]);
        if (collective == nullptr) continue;
        kind[w] = static_cast<std::uint8_t>(collective->kind);
        holds[w] = slowdown[kind[w]] > 1 && holds_multiprocessors(program, program.works[w], StreamKind::dp);
    }
    std::vector<std::uint64_t> holding;
    for (const RankProgram& tasks : program.rank_programs) {
        std::uint64_t& streams = holding.emplace_back(0);
        for (std::size_t i = 0; i < tasks.size(); ++i)
            if (slowed_by(tasks.work[i].value, tasks.streams[tasks.stream[i]()].kind))
                streams |= std::uint64_t{1} << tasks.stream[i]();
    }
    for (std::size_t r = 0; r < state.ranks.size(); ++r)
        state.ranks[r].holding = holding[program.ranks[r].program];
}

std::int64_t FlowKernels::safe(std::uint32_t id, std::uint32_t stream_id) const {
    const FlowRank& rank = state.ranks[id];
    if (faults.pending(id) || rank.fault != 1) return kNoneIsSafe;
    std::int64_t last = kAllAreSafe;
    for (std::uint64_t left = rank.holding; left != 0; left &= left - 1) {
        const FlowStream& other = rank.streams[std::countr_zero(left)];
        if (other.head == kNoTask) continue;
        if (other.busy) return kNoneIsSafe;
        last = std::min(last, waits_for(rank, other.head, stream_id));
    }
    return last;
}

void FlowKernels::begin(FlowRank& rank, std::uint32_t stream_id, double begin_s, double duration_s) {
    const std::uint32_t stream = rank.first_stream + stream_id;
    rank.streams[stream_id].busy = true;
    kernels[stream] = {begin_s, duration_s, true};
    events.set(first_slot + stream, begin_s + duration_s * rank.slowdown);
}

void FlowKernels::end(std::uint32_t slot, double now) {
    const std::uint32_t stream = slot - first_slot;
    kernels[stream].running = false;
    state.end_busy(state.member_of(stream), now);
}

void FlowKernels::beside(std::uint32_t meeting, int change, double now) {
    const std::uint8_t what = kind[state.meetings[meeting].work];
    for (const FlowMember& member : state.members(meeting)) {
        FlowRank& rank = state.ranks[member.rank];
        rank.beside[what] = static_cast<std::uint16_t>(rank.beside[what] + change);
        change_speed(rank, now);
    }
}

void FlowKernels::set_fault(std::uint32_t rank, double factor, double now) {
    state.ranks[rank].fault = factor;
    change_speed(state.ranks[rank], now);
}

void FlowKernels::change_speed(FlowRank& rank, double now) {
    double factor = 1;
    for (std::size_t k = 0; k < kCollectiveKinds; ++k)
        if (rank.beside[k] > 0) factor = std::max(factor, slowdown[k]);
    factor *= rank.fault;
    if (factor == rank.slowdown) return;
    for (std::uint64_t left = rank.compute; left != 0; left &= left - 1) {
        const std::uint32_t stream = rank.first_stream + static_cast<std::uint32_t>(std::countr_zero(left));
        Running& kernel = kernels[stream];
        if (!kernel.running) continue;
        if (now > kernel.since) {
            kernel.left_s = std::max(0.0, kernel.left_s - (now - kernel.since) / rank.slowdown);
            kernel.since = now;
        }
        events.set(first_slot + stream, kernel.since + kernel.left_s * factor);
    }
    rank.slowdown = factor;
}

}  // namespace orrery::sim
