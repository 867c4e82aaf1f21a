#include "sim/engine/flow_state.hpp"

#include <algorithm>

namespace orrery::sim {

FlowState::FlowState(const Program& p, const WorkCosts& c, Timeline& timeline)
    : program(p), costs(c.data()), packed(pack(p, c)) {
    lay_out_ranks(timeline);
    lay_out_communicators();
}

void FlowState::lay_out_ranks(Timeline& timeline) {
    const std::size_t count = program.ranks.size();
    stream_begin.assign(count + 1, 0);
    std::vector<std::size_t> segment_offset(count + 1, 0);
    for (std::size_t r = 0; r < count; ++r) {
        const PackedRange& range = packed.range[program.ranks[r].program];
        stream_begin[r + 1] = stream_begin[r] + range.streams;
        segment_offset[r + 1] = segment_offset[r] + range.segments;
    }
    streams.resize(stream_begin.back());
    owner.resize(stream_begin.back());
    segments.assign(segment_offset.back(), 0);
    ranks.resize(count);
    stack.reserve(count);
    for (std::size_t r = count; r-- > 0;) {
        ranks[r].segment_begin = segments.data() + segment_offset[r];
        ranks[r].streams = streams.data() + stream_begin[r];
        ranks[r].first_stream = static_cast<std::uint32_t>(stream_begin[r]);
        lay_out_rank(RankId(r), timeline);
    }
}

void FlowState::lay_out_rank(RankId id, Timeline& timeline) {
    FlowRank& rank = ranks[id()];
    const PackedRange& range = packed.range[program.ranks[id()].program];
    rank.tasks = packed.tasks.data() + range.task;
    rank.dependencies = packed.dependencies.data();
    rank.host_waits = packed.host_waits.data() + range.host_wait;
    rank.communicators = program.ranks[id()].communicators.data();
    rank.start = timeline.start.data() + program.first_task[id()];
    rank.end = timeline.end.data() + program.first_task[id()];
    rank.issued = rank.host_waits[0];
    const RankProgram& tasks = program.program_of(id);
    for (std::size_t s = 0; s < range.streams; ++s) {
        owner[stream_begin[id()] + s] = id.value;
        rank.streams[s].head = packed.first_of_stream[range.stream + s];
        if (rank.streams[s].head != kNoTask) rank.runnable |= std::uint64_t{1} << s;
        if (tasks.streams[s].kind == StreamKind::compute) rank.compute |= std::uint64_t{1} << s;
    }
    queue(id.value);
}

void FlowState::lay_out_communicators() {
    meetings.resize(program.communicators.size());
    std::size_t offset = 0;
    for (std::size_t c = 0; c < meetings.size(); ++c) {
        meetings[c].members = static_cast<std::uint32_t>(program.communicators[c].members.size());
        meetings[c].first = offset;
        offset += meetings[c].members;
    }
    arrivals.resize(offset);
}

std::string FlowState::describe_head(FlowMember member) const {
    return describe(program, RankId(member.rank), TaskId(ranks[member.rank].streams[member.stream].head));
}

void FlowState::queue(std::uint32_t rank) {
    if (ranks[rank].queued) return;
    ranks[rank].queued = true;
    stack.push_back(rank);
}

void FlowState::end_head(FlowRank& rank, std::uint32_t stream_id, double end) {
    FlowStream& stream = rank.streams[stream_id];
    const PackedTask& task = rank.tasks[stream.head];
    rank.end[stream.head] = end;
    if (task.host_waits) {
        // The host goes on after the task it waited for.
        const double launched = rank.segment_begin[stream.segment] + task.issue_s + costs[task.work].launch_s;
        ++rank.host_segment;
        rank.segment_begin[rank.host_segment] = std::max(launched, end);
        rank.issued = rank.host_waits[rank.host_segment];
        rank.runnable |= rank.host_waiters;
        rank.host_waiters = 0;
    }
    stream.free = end;
    stream.head = task.next;
    stream.busy = false;
}

void FlowState::end_busy(FlowMember member, double end) {
    FlowRank& rank = ranks[member.rank];
    end_head(rank, member.stream, end);
    wake(rank, rank.streams[member.stream]);
    rank.runnable |= std::uint64_t{1} << member.stream;
    queue(member.rank);
}

bool FlowState::finished() const {
    return std::all_of(streams.begin(), streams.end(),
                       [](const FlowStream& stream) { return stream.head == kNoTask; });
}

Progress FlowState::progress() const {
    Progress result;
    result.stream_begin = stream_begin;
    for (const FlowStream& stream : streams) result.head.push_back(stream.head);
    return result;
}

}  // namespace orrery::sim
