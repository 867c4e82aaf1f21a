// sim/engine/replay.cpp
//
// One pass in dependency order. Every stream of every rank is a cursor that runs along its tasks as far as it
// can; where it stops, it leaves its bit with what it waits for (the stream of a dependency, the host, a
// communicator), and is run again when that has moved. The last member to arrive at a rendezvous ends it for
// all. Since a task's times depend on its predecessors' times only, the order of the visits does not show in
// the result.
//
// Ranks with something to run stand on a stack: the ranks of a tensor-parallel group then work in turn, and
// what they read and write stays in cache.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine/deadlock.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/packed_program.hpp"
#include "sim/engine/ready_time.hpp"
#include "sim/engine/replayer.hpp"

namespace orrery::sim {
namespace {

struct StreamState {
    double free = 0;            ///< end of its last task
    std::uint32_t head = 0;     ///< first task that has not ended, or kNoTask
    std::uint32_t segment = 0;  ///< of the head, see packed_program.hpp
    std::uint64_t waiters = 0;  ///< streams of the rank whose head depends on a task of this one
};

struct RankState {
    const PackedTask* tasks = nullptr;
    const PackedDependency* dependencies = nullptr;
    const std::uint32_t* host_waits = nullptr;
    const CommunicatorId* communicators = nullptr;
    double* start = nullptr;
    double* end = nullptr;
    const double* stretch = nullptr;  ///< added to each task's duration; null: nothing is
    double* segment_begin = nullptr;  ///< host time at which each segment begins, as far as known
    StreamState* streams = nullptr;
    std::uint64_t runnable = 0;      ///< streams to visit
    std::uint64_t host_waiters = 0;  ///< streams whose head the host has not issued
    std::uint32_t host_segment = 0;  ///< the segment that the host is in
    std::uint32_t issued = kNoTask;  ///< the last task of that segment
    bool queued = false;
};

/// The operation of a communicator that its members are gathering for.
struct Meeting {
    double ready = 0;       ///< when the latest so far arrived
    double issued_end = 0;  ///< the latest h + issue_to_end so far
    std::uint32_t arrived = 0;
    std::uint32_t members = 0;
    std::size_t arrivals = 0;  ///< where its list of arrivals begins
};

struct Arrival {
    std::uint32_t rank = 0;
    std::uint32_t stream = 0;
};

}  // namespace

class Replayer::Pass {
  public:
    Pass(const Program& the_program, const WorkCosts& the_costs)
        : program(the_program), costs(the_costs.data()), packed(pack(the_program, the_costs)) {
        lay_out_ranks();
        lay_out_communicators();
    }

    double run(std::span<const double> stretch, Timeline& timeline) {
        begin(stretch, timeline);
        while (!stack.empty()) {
            RankState& rank = ranks[stack.back()];
            const std::uint32_t id = stack.back();
            stack.pop_back();
            while (rank.runnable != 0) {
                const auto stream = static_cast<std::uint32_t>(std::countr_zero(rank.runnable));
                rank.runnable &= rank.runnable - 1;
                advance(rank, id, stream);
            }
            rank.queued = false;
        }
        const bool finished = std::all_of(streams.begin(), streams.end(),
                                          [](const StreamState& stream) { return stream.head == kNoTask; });
        if (!finished) throw explain_deadlock(program, progress());
        double makespan = 0;  // a stream's last task ends last
        for (const StreamState& stream : streams) makespan = std::max(makespan, stream.free);
        return makespan;
    }

  private:
    void lay_out_ranks() {
        const std::size_t count = program.ranks.size();
        stream_begin.assign(count + 1, 0);
        std::vector<std::size_t> segment_offset(count + 1, 0);
        for (std::size_t r = 0; r < count; ++r) {
            const PackedRange& range = packed.range[program.ranks[r].program];
            stream_begin[r + 1] = stream_begin[r] + range.streams;
            segment_offset[r + 1] = segment_offset[r] + range.segments;
        }
        streams.resize(stream_begin.back());
        segments.resize(segment_offset.back());
        ranks.resize(count);
        stack.reserve(count);
        for (std::size_t r = 0; r < count; ++r) {
            const PackedRange& range = packed.range[program.ranks[r].program];
            RankState& rank = ranks[r];
            rank.segment_begin = segments.data() + segment_offset[r];
            rank.streams = streams.data() + stream_begin[r];
            rank.tasks = packed.tasks.data() + range.task;
            rank.dependencies = packed.dependencies.data();
            rank.host_waits = packed.host_waits.data() + range.host_wait;
            rank.communicators = program.ranks[r].communicators.data();
        }
    }

    /// Puts everything at the start of the program. A pass that ended well left the meetings empty.
    void begin(std::span<const double> stretch, Timeline& timeline) {
        std::fill(streams.begin(), streams.end(), StreamState{});
        std::fill(segments.begin(), segments.end(), 0.0);
        for (std::size_t r = ranks.size(); r-- > 0;) {
            RankState& rank = ranks[r];
            rank.start = timeline.start.data() + program.first_task[r];
            rank.end = timeline.end.data() + program.first_task[r];
            rank.stretch = stretch.empty() ? nullptr : stretch.data() + program.first_task[r];
            rank.host_waiters = 0;
            rank.host_segment = 0;
            rank.issued = rank.host_waits[0];
            rank.queued = true;
            rank.runnable = 0;
            const PackedRange& range = packed.range[program.ranks[r].program];
            for (std::size_t s = 0; s < range.streams; ++s) {
                rank.streams[s].head = packed.first_of_stream[range.stream + s];
                if (rank.streams[s].head != kNoTask) rank.runnable |= std::uint64_t{1} << s;
            }
            stack.push_back(static_cast<std::uint32_t>(r));
        }
    }

    void lay_out_communicators() {
        meetings.resize(program.communicators.size());
        std::size_t offset = 0;
        for (std::size_t c = 0; c < meetings.size(); ++c) {
            meetings[c].members = static_cast<std::uint32_t>(program.communicators[c].members.size());
            meetings[c].arrivals = offset;
            offset += meetings[c].members;
        }
        arrivals.resize(offset);
    }

    /// Runs a stream as far as it can go.
    void advance(RankState& rank, std::uint32_t id, std::uint32_t stream_id) {
        StreamState& stream = rank.streams[stream_id];
        const std::uint64_t bit = std::uint64_t{1} << stream_id;
        std::uint32_t head = stream.head;
        const std::uint32_t first = head;
        std::uint32_t segment = stream.segment;
        double free = stream.free;

        while (head != kNoTask) {
            const PackedTask& task = rank.tasks[head];
            if (head > rank.issued) {
                rank.host_waiters |= bit;
                break;
            }
            while (rank.host_waits[segment] < head) ++segment;
            const double issue = rank.segment_begin[segment] + task.issue_s;
            const WorkCost& cost = costs[task.work];
            double start = std::max(free, issue);
            if (task.dependencies != 0) {
                start = ready_time(rank, task, start);
                if (start < 0) break;
            }
            double issued_end = issue + cost.issue_to_end_s;
            if (task.slot != kNoCommunicator) {
                stream.head = head;
                stream.segment = segment;
                if (!meet(rank, id, stream_id, start, issued_end)) break;
            }
            const double added = rank.stretch == nullptr ? 0 : rank.stretch[head];
            free = std::max(start + cost.duration_s, issued_end) + added;
            rank.start[head] = start;
            rank.end[head] = free;
            if (task.host_waits) release_host(rank, issue + cost.launch_s, free);
            head = task.next;
        }

        stream.head = head;
        stream.segment = segment;
        stream.free = free;
        if (head != first) {
            rank.runnable |= stream.waiters;
            stream.waiters = 0;
        }
    }

    /// The host goes on after the task it waited for.
    static void release_host(RankState& rank, double launched, double end) {
        ++rank.host_segment;
        rank.segment_begin[rank.host_segment] = std::max(launched, end);
        rank.issued = rank.host_waits[rank.host_segment];
        rank.runnable |= rank.host_waiters;
        rank.host_waiters = 0;
    }

    /// A member has reached the current operation of its communicator. False when others are still missing.
    /// The last one learns the operation's start and earliest end, and the other members' tasks are ended.
    bool meet(RankState& rank, std::uint32_t id, std::uint32_t stream_id, double& start, double& issued_end) {
        const CommunicatorId communicator = rank.communicators[rank.tasks[rank.streams[stream_id].head].slot];
        Meeting& meeting = meetings[communicator()];
        if (meeting.members == 1) return true;
        Arrival* const list = arrivals.data() + meeting.arrivals;
        if (meeting.arrived != 0) {
            check_same_work(communicator, list[0], {id, stream_id});
            start = std::max(start, meeting.ready);
            issued_end = std::max(issued_end, meeting.issued_end);
        }
        if (++meeting.arrived < meeting.members) {
            list[meeting.arrived - 1] = {id, stream_id};
            meeting.ready = start;
            meeting.issued_end = issued_end;
            return false;
        }
        for (std::uint32_t i = 0; i + 1 < meeting.members; ++i) end_remote(list[i], start, issued_end);
        meeting.arrived = 0;
        return true;
    }

    /// Ends the rendezvous for a member that waits in it.
    void end_remote(Arrival member, double start, double issued_end) {
        RankState& rank = ranks[member.rank];
        StreamState& stream = rank.streams[member.stream];
        const PackedTask& task = rank.tasks[stream.head];
        const WorkCost& cost = costs[task.work];
        const double end = std::max(start + cost.duration_s, issued_end);
        rank.start[stream.head] = start;
        rank.end[stream.head] = end;
        if (task.host_waits)
            release_host(rank, rank.segment_begin[stream.segment] + task.issue_s + cost.launch_s, end);
        stream.free = end;
        stream.head = task.next;
        rank.runnable |= stream.waiters | (std::uint64_t{1} << member.stream);
        stream.waiters = 0;
        if (!rank.queued) {
            rank.queued = true;
            stack.push_back(member.rank);
        }
    }

    void check_same_work(CommunicatorId communicator, Arrival first, Arrival second) const {
        const RankState& a = ranks[first.rank];
        const RankState& b = ranks[second.rank];
        const std::uint32_t task_a = a.streams[first.stream].head;
        const std::uint32_t task_b = b.streams[second.stream].head;
        if (a.tasks[task_a].work != b.tasks[task_b].work)
            throw explain_mismatch(program, communicator, RankId(first.rank), TaskId(task_a),
                                   RankId(second.rank), TaskId(task_b));
    }

    [[nodiscard]] Progress progress() const {
        Progress result;
        result.stream_begin = stream_begin;
        for (const StreamState& stream : streams) result.head.push_back(stream.head);
        return result;
    }

    const Program& program;
    const WorkCost* costs;
    PackedPrograms packed;
    std::vector<RankState> ranks;
    std::vector<StreamState> streams;
    std::vector<std::size_t> stream_begin;
    std::vector<double> segments;
    std::vector<Meeting> meetings;
    std::vector<Arrival> arrivals;
    std::vector<std::uint32_t> stack;  ///< ranks with something to run
};

Replayer::Replayer(const Program& program, const WorkCosts& costs) {
    validate(program);
    pass_ = std::make_unique<Pass>(program, costs);
}

Replayer::~Replayer() = default;

double Replayer::run(std::span<const double> stretch, Timeline& timeline) {
    return pass_->run(stretch, timeline);
}

Timeline replay(const Program& program, const WorkCosts& costs) {
    return replay(program, costs, {});
}

Timeline replay(const Program& program, const WorkCosts& costs, std::span<const double> stretch) {
    Replayer replayer(program, costs);
    Timeline timeline = make_timeline(program.tasks());
    replayer.run(stretch, timeline);
    return timeline;
}

}  // namespace orrery::sim
