#include "sim/engine/flow.hpp"
#include "sim/engine/ready_time.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.hpp"
#include "sim/engine/deadlock.hpp"
#include "sim/engine/flow_events.hpp"
#include "sim/engine/flow_faults.hpp"
#include "sim/engine/flow_kernels.hpp"
#include "sim/engine/flow_state.hpp"
#include "sim/engine/flow_transit.hpp"

namespace orrery::sim {
namespace {

/// Event slots: communicators, copies by stream, kernels by stream, faults.
class Flow {
  public:
    Flow(const Program& p, const WorkCosts& c, const FlowLoads& l, const FlowOptions& o, Timeline& timeline)
        : program(p),
          options(o),
          costs(c.data()),
          loads(l),
          state(p, c, timeline),
          first_copy(static_cast<std::uint32_t>(p.communicators.size())),
          first_kernel(first_copy + static_cast<std::uint32_t>(state.streams.size())),
          fault_slot(first_kernel + static_cast<std::uint32_t>(state.streams.size())),
          events(fault_slot + 1),
          transit(l, first_kernel, events, o.usage),
          faults(p, l.links.size(), o.disturbances),
          kernels(state, events, faults, o.slowdown, first_kernel),
          delay(p, o.disturbances) {}

    void run() {
        if (faults.next_s() < kNever) events.set(fault_slot, faults.next_s());
        run_ranks();
        while (!events.empty()) {
            now = events.time();
            while (!events.empty() && events.time() == now) handle_next();
            run_ranks();
            if (!events.empty() && events.time() == now) continue;
            transit.settle(now);
        }
        if (!state.finished()) throw explain_deadlock(program, state.progress());
    }

  private:
    void run_ranks() {
        while (!state.stack.empty()) {
            const std::uint32_t id = state.stack.back();
            FlowRank& rank = state.ranks[id];
            state.stack.pop_back();
            while (rank.runnable != 0) {
                const auto stream = static_cast<std::uint32_t>(std::countr_zero(rank.runnable));
                rank.runnable &= rank.runnable - 1;
                if (!rank.streams[stream].busy) advance(rank, {id, stream});
            }
            rank.queued = false;
        }
    }

    /// Runs a stream as far as it can go without waiting for an event.
    void advance(FlowRank& rank, FlowMember at) {
        FlowStream& stream = rank.streams[at.stream];
        const std::uint64_t bit = std::uint64_t{1} << at.stream;
        const std::uint32_t first = stream.head;
        std::int64_t safe = (rank.compute & bit) != 0 ? FlowKernels::kNoneIsSafe : FlowKernels::kAllAreSafe;
        while (stream.head != kNoTask) {
            const std::uint32_t head = stream.head;
            const PackedTask& task = rank.tasks[head];
            if (head > rank.issued) {
                rank.host_waiters |= bit;
                break;
            }
            while (rank.host_waits[stream.segment] < head) ++stream.segment;
            const double issue = rank.segment_begin[stream.segment] + task.issue_s;
            const WorkCost& cost = costs[task.work];
            double start = std::max(stream.free, issue);
            if (task.dependencies != 0) {
                start = ready_time(rank, task, start);
                if (start < 0) break;
            }
            const double issued_end = issue + cost.issue_to_end_s;
            if (task.slot != kNoCommunicator) {
                if (!meet(rank, at, task, start, issued_end)) break;
                continue;
            }
            rank.start[head] = start;
            if (depart_copy(rank, at, task, start, issued_end)) break;
            const double added = delay.any() ? added_s(at.rank, head, task) : 0;
            if (static_cast<std::int64_t>(head) > safe) safe = kernels.safe(at.rank, at.stream);
            if (static_cast<std::int64_t>(head) > safe) {
                const double begin = std::max(start, issued_end - cost.duration_s);
                kernels.begin(rank, at.stream, begin, cost.duration_s + added);
                break;
            }
            state.end_head(rank, at.stream, std::max(start + cost.duration_s, issued_end) + added);
        }
        if (stream.head != first) FlowState::wake(rank, stream);
    }

    [[nodiscard]] double added_s(std::uint32_t rank, std::uint32_t head, const PackedTask& task) const {
        if (!std::holds_alternative<KernelSequence>(program.works[task.work])) return 0;
        return delay.added_s(rank, program.first_task[rank] + head, costs[task.work].duration_s);
    }

    /// A member has reached the current operation of its communicator. True when the operation has ended at
    /// once; otherwise others are missing, or an event will end it.
    bool meet(FlowRank& rank, FlowMember member, const PackedTask& task, double start, double issued_end) {
        const CommunicatorId communicator = rank.communicators[task.slot];
        FlowMeeting& meeting = state.meetings[communicator()];
        FlowMember* const list = state.arrivals.data() + meeting.first;
        if (meeting.arrived == 0) {
            meeting.work = task.work;
            meeting.ready = start;
            meeting.issued_end = issued_end;
        } else {
            check_same_work(communicator, list[0], member);
            meeting.ready = std::max(meeting.ready, start);
            meeting.issued_end = std::max(meeting.issued_end, issued_end);
        }
        list[meeting.arrived++] = member;
        rank.streams[member.stream].busy = true;
        if (meeting.arrived < meeting.members) return false;
        meeting.arrived = 0;
        return begin_meeting(communicator.value, task, rank, member);
    }

    /// All members are there.
    bool begin_meeting(std::uint32_t slot, const PackedTask& task, FlowRank& rank, FlowMember last) {
        const FlowMeeting& meeting = state.meetings[slot];
        for (const FlowMember& member : state.members(slot)) {
            const FlowRank& of = state.ranks[member.rank];
            of.start[of.streams[member.stream].head] = meeting.ready;
        }
        const std::uint32_t load = loads.find(slot, task.work);
        const bool slows = slows_kernels(slot);
        if (load != kNoLoad || slows) {
            depart(slot, task, load, meeting.ready, meeting.issued_end, slows, stream_of(slot));
            return false;
        }
        const double end = std::max(meeting.ready + costs[task.work].duration_s, meeting.issued_end);
        for (const FlowMember& member : state.members(slot))
            if (member.rank != last.rank) state.end_busy(member, end);
        state.end_head(rank, last.stream, end);
        return true;
    }

    void depart(std::uint32_t slot, const PackedTask& task, std::uint32_t load, double start,
                double issued_end, bool announced, StreamKind stream) {
        const WorkCost& cost = costs[task.work];
        const StreamShare& share = options.shares[static_cast<std::size_t>(stream)];
        Departure departure;
        departure.load = load;
        departure.start = start;
        departure.begin = std::max(start, issued_end - cost.duration_s);
        departure.fixed_s =
            std::max(0.0, cost.duration_s - (load == kNoLoad ? 0 : loads.loads[load].transfer_s));
        departure.announced = announced;
        departure.weight = share.weight;
        departure.priority = share.priority;
        transit.depart(slot, departure);
    }

    bool depart_copy(FlowRank& rank, FlowMember member, const PackedTask& task, double start,
                     double issued_end) {
        const std::uint32_t load = loads.find(program.communicators.size() + member.rank, task.work);
        if (load == kNoLoad) return false;
        rank.streams[member.stream].busy = true;
        depart(first_copy + rank.first_stream + member.stream, task, load, start, issued_end, false,
               state.kind_of(member));
        return true;
    }

    [[nodiscard]] bool slows_kernels(std::uint32_t meeting) const {
        return kernels.slowed_by(state.meetings[meeting].work, state.kind_of(state.members(meeting)[0]));
    }

    /// The kind of stream whose share the operation has: of a send the sender's.
    [[nodiscard]] StreamKind stream_of(std::uint32_t meeting) const {
        const auto members = state.members(meeting);
        if (members.size() == 2 && state.kind_of(members[1]) == StreamKind::pp_send)
            return StreamKind::pp_send;
        return state.kind_of(members[0]);
    }

    void check_same_work(CommunicatorId communicator, FlowMember first, FlowMember second) const {
        const FlowRank& a = state.ranks[first.rank];
        const FlowRank& b = state.ranks[second.rank];
        const std::uint32_t task_a = a.streams[first.stream].head;
        const std::uint32_t task_b = b.streams[second.stream].head;
        if (a.tasks[task_a].work != b.tasks[task_b].work)
            throw explain_mismatch(program, communicator, RankId(first.rank), TaskId(task_a),
                                   RankId(second.rank), TaskId(task_b));
    }

    void handle_next() {
        const std::uint32_t slot = events.slot();
        events.pop();
        if (slot == fault_slot) {
            apply_faults();
        } else if (slot >= first_kernel) {
            kernels.end(slot, now);
        } else {
            handle_transit(slot);
        }
    }

    void handle_transit(std::uint32_t slot) {
        const bool meets = slot < first_copy;
        switch (transit.arrive(slot, now)) {
            case FlowTransit::Step::joined:
                kernels.beside(slot, 1, now);
                break;
            case FlowTransit::Step::moving:
                check_links(slot);
                break;
            case FlowTransit::Step::ended:
                if (!meets) {
                    state.end_busy(state.member_of(slot - first_copy), now);
                    break;
                }
                if (slows_kernels(slot)) kernels.beside(slot, -1, now);
                for (const FlowMember& member : state.members(slot)) state.end_busy(member, now);
                break;
        }
    }

    void apply_faults() {
        for (const LinkFault& fault : faults.links_until(now)) {
            transit.set_capacity(fault.link, loads.capacity[fault.link] * fault.factor);
            for (const std::uint32_t slot : transit.on_link(fault.link)) check_links(slot);
        }
        for (const FlowFaults::RankFault& fault : faults.ranks_until(now)) {
            if (std::isinf(fault.slowdown)) check_finished(fault.rank);
            kernels.set_fault(fault.rank, std::isinf(fault.slowdown) ? 1 : fault.slowdown, now);
        }
        if (faults.next_s() < kNever) events.set(fault_slot, faults.next_s());
    }

    /// Throws where a load waits for a link that is cut for good.
    void check_links(std::uint32_t slot) const {
        for (const LinkDemand& on : transit.footprint(slot))
            if (transit.capacity(on.link) <= 0 && !faults.restored(on.link))
                throw explain_cut(loads.name(on.link), now, tasks_of(slot));
    }

    /// Throws where a rank of a failed device has anything left to do.
    void check_finished(std::uint32_t id) const {
        const FlowRank& rank = state.ranks[id];
        const std::size_t tasks = program.program_of(RankId(id)).size();
        std::vector<std::string> left;
        for (std::size_t s = state.stream_begin[id]; s < state.stream_begin[id + 1]; ++s)
            if (state.streams[s].head != kNoTask)
                left.push_back(state.describe_head(state.member_of(static_cast<std::uint32_t>(s))));
        const bool over = std::all_of(rank.end, rank.end + tasks, [this](double end) { return end <= now; });
        if (!left.empty() || !over) throw explain_failure(program.ranks[id].device, now, std::move(left));
    }

    [[nodiscard]] std::vector<std::string> tasks_of(std::uint32_t slot) const {
        if (slot >= first_copy) return {state.describe_head(state.member_of(slot - first_copy))};
        std::vector<std::string> tasks;
        for (const FlowMember& member : state.members(slot)) tasks.push_back(state.describe_head(member));
        return tasks;
    }

    const Program& program;
    const FlowOptions& options;
    const WorkCost* costs;
    const FlowLoads& loads;
    FlowState state;
    std::uint32_t first_copy = 0;
    std::uint32_t first_kernel = 0;
    std::uint32_t fault_slot = 0;
    FlowEvents events;
    FlowTransit transit;
    FlowFaults faults;
    FlowKernels kernels;
    KernelDelay delay;
    double now = 0;
};

}  // namespace

Timeline simulate_with_flow(const Program& program, const WorkCosts& costs, const FlowLoads& loads,
                            const FlowOptions& options) {
    validate(program);
    Timeline timeline = make_timeline(program.tasks());
    Flow(program, costs, loads, options, timeline).run();
    return timeline;
}

}  // namespace orrery::sim
