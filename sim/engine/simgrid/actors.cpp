#include "sim/engine/simgrid/actors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <simgrid/s4u.hpp>
#include <string>

namespace orrery::sim {
namespace {

namespace sg = simgrid::s4u;

// Actors run one at a time and change over only inside SimGrid's blocking calls, so the state below needs no
// lock.

using Waiters = std::vector<sg::SemaphorePtr>;

void wait_on(Waiters& waiters, const sg::SemaphorePtr& own) {
    waiters.push_back(own);
    own->acquire();
}

void wake(Waiters& waiters) {
    const Waiters woken = std::exchange(waiters, {});  // release() lets other actors run, which may wait anew
    for (const sg::SemaphorePtr& waiter : woken) waiter->release();
}

double now() {
    return sg::Engine::get_clock();
}

void sleep_until(double time) {
    if (time > now()) sg::this_actor::sleep_for(time - now());
}

struct RankState {
    std::uint32_t* head = nullptr;  ///< [stream]
    double* start = nullptr;
    double* end = nullptr;
    std::vector<Waiters> stream_waiters;  ///< actors that wait for the stream to come further
    Waiters host_waiters;
    std::vector<double> segment_begin;  ///< see packed_program.hpp
    std::uint32_t host_segment = 0;
    std::uint32_t issued = kNoTask;
};

using Hosts = std::map<std::uint32_t, sg::Host*>;

/// One operation under way: an actor for each lane of its messages, the first lane by the actor that runs it.
class Exchange {
  public:
    Exchange(const SimgridOperation& o, const SimgridPlan& p, const Hosts& h)
        : operation(o),
          messages(o.messages),
          plan(p),
          hosts(h),
          waits(o.messages.waits_for),
          ready(o.messages.size(), 0),
          lanes_left(o.lanes.size()),
          over(now()) {}

    /// Returns when the last message has arrived.
    void run(const sg::SemaphorePtr& own) {
        for (std::size_t lane = 1; lane < operation.lanes.size(); ++lane)
            sg::Actor::create("lane", sg::this_actor::get_host(), [this, first = operation.lanes[lane]] {
                send_lane(first, sg::Semaphore::create(0));
            });
        if (!operation.lanes.empty()) send_lane(operation.lanes[0], own);
        while (lanes_left > 0) wait_on(finishers, own);
        sleep_until(over);
    }

  private:
    void send_lane(std::uint32_t first, const sg::SemaphorePtr& own) {
        for (std::uint32_t m = first; m < messages.size() && (m == first || messages.begins_lane[m] == 0);
             ++m) {
            while (waits[m] > 0) wait_on(waiters[m], own);
            sleep_until(ready[m]);
            send(m);
        }
        if (--lanes_left == 0) wake(finishers);
    }

    /// Returns when the message has left its links; it arrives the way's latency later.
    void send(std::uint32_t m) {
        const std::pair ends{operation.host[messages.from[m]], operation.host[messages.to[m]]};
        if (messages.bytes[m] > 0) {
            const auto whole = static_cast<std::uint64_t>(std::max(1.0, std::round(messages.bytes[m])));
            sg::Comm::sendto_async(hosts.at(ends.first), hosts.at(ends.second), whole)->wait();
        }
        const double arrival = now() + plan.ways.at(ends).latency_s;
        over = std::max(over, arrival);
        for (std::uint32_t u = messages.unlock_begin[m]; u < messages.unlock_begin[m + 1]; ++u) {
            const std::uint32_t next = messages.unlocks[u];
            ready[next] = std::max(ready[next], arrival);
            if (--waits[next] > 0) continue;
            if (const auto waiting = waiters.find(next); waiting != waiters.end()) wake(waiting->second);
        }
    }

    const SimgridOperation& operation;
    const MessageList& messages;
    const SimgridPlan& plan;
    const Hosts& hosts;
    std::vector<std::uint32_t> waits;          ///< [message] arrivals still missing
    std::vector<double> ready;                 ///< [message] the latest of those that came
    std::map<std::uint32_t, Waiters> waiters;  ///< by message
    std::size_t lanes_left = 0;
    double over = 0;  ///< the latest arrival so far
    Waiters finishers;
};

struct Meeting {
    std::uint32_t arrived = 0;
    double start = 0;
    double pending_release = 0;  ///< messages leave no earlier: the launches of those that arrived are over
    Waiters finishers;
};

class World {
  public:
    explicit World(const SimgridJob& job)
        : program(job.program), costs(job.costs), plan(job.plan), packed(job.packed) {
        std::size_t stream = 0;
        ranks.resize(program.ranks.size());
        for (std::size_t r = 0; r < ranks.size(); ++r) {
            const PackedRange& range = packed.range[program.ranks[r].program];
            RankState& rank = ranks[r];
            rank.head = job.output.head + stream;
            rank.start = job.output.start + program.first_task[r];
            rank.end = job.output.end + program.first_task[r];
            rank.stream_waiters.resize(range.streams);
            rank.segment_begin.assign(range.segments, 0);
            rank.issued = packed.host_waits[range.host_wait];
            stream += range.streams;
        }
        meetings.resize(program.communicators.size());
    }

    /// One host per device and per switch that adds, with the ways that are used. SimGrid weighs flows that
    /// share a link by the inverse of their route's latency; links without latency are shared evenly. The
    /// latency is slept by the sender instead.
    void build_platform() {
        sg::NetZone* zone = sg::create_full_zone("cluster");
        const auto host = [&](std::uint32_t number) {
            sg::Host*& known = hosts[number];
            if (known == nullptr) known = zone->create_host(fmt::format("host {}", number), 1.0);
            return known;
        };
        for (const Rank& rank : program.ranks) host(rank.device);
        std::map<std::uint32_t, sg::Link*> links;
        for (const auto& [pair, route] : plan.ways) {
            std::vector<sg::LinkInRoute> way;
            for (const std::uint32_t link : route.links) {
                const auto found = links.emplace(link, nullptr).first;
                if (found->second == nullptr)
                    found->second = zone->create_link(fmt::format("link {}", link), plan.bandwidth.at(link));
                way.emplace_back(found->second);
            }
            zone->add_route(host(pair.first)->get_netpoint(), host(pair.second)->get_netpoint(), nullptr,
                            nullptr, way, false);
        }
        zone->seal();
    }

    void create_actors() {
        for (std::size_t r = 0; r < ranks.size(); ++r)
            for (std::size_t s = 0; s < ranks[r].stream_waiters.size(); ++s)
                if (ranks[r].head[s] != kNoTask)
                    sg::Actor::create(fmt::format("rank {} stream {}", r, s),
                                      hosts.at(program.ranks[r].device),
                                      [this, r, s] { run_stream(RankId(r), s); });
    }

  private:
    void run_stream(RankId id, std::size_t stream) {
        RankState& rank = ranks[id()];
        const PackedRange& range = packed.range[program.ranks[id()].program];
        const PackedTask* const tasks = packed.tasks.data() + range.task;
        const std::uint32_t* const host_waits = packed.host_waits.data() + range.host_wait;
        const sg::SemaphorePtr own = sg::Semaphore::create(0);
        std::uint32_t segment = 0;
        while (rank.head[stream] != kNoTask) {
            const std::uint32_t head = rank.head[stream];
            const PackedTask& task = tasks[head];
            while (head > rank.issued) wait_on(rank.host_waiters, own);
            while (host_waits[segment] < head) ++segment;
            const double issue = rank.segment_begin[segment] + task.issue_s;
            sleep_until(issue);
            wait_for_dependencies(rank, task, own);
            rank.start[head] = run_task(id, task, issue, own);
            rank.end[head] = now();
            rank.head[stream] = task.next;
            wake(rank.stream_waiters[stream]);
            if (task.host_waits) {
                ++rank.host_segment;
                rank.segment_begin[rank.host_segment] = std::max(issue + costs[task.work].launch_s, now());
                rank.issued = host_waits[rank.host_segment];
                wake(rank.host_waiters);
            }
        }
    }

    void wait_for_dependencies(RankState& rank, const PackedTask& task, const sg::SemaphorePtr& own) {
        const auto wait = [&](std::uint32_t before, std::uint32_t stream) {
            while (before >= rank.head[stream]) wait_on(rank.stream_waiters[stream], own);
        };
        if (task.dependencies == 1) return wait(task.first, task.first_stream);
        for (std::uint32_t d = task.first; d < task.first + task.dependencies; ++d)
            wait(packed.dependencies[d].task, packed.dependencies[d].stream);
    }

    /// Returns when the task has ended; the result is when it started.
    double run_task(RankId id, const PackedTask& task, double issue, const sg::SemaphorePtr& own) {
        const WorkCost& cost = costs[task.work];
        if (task.slot != kNoCommunicator) return meet(id, task, issue, own);
        const double start = now();
        sleep_until(std::max(start + cost.duration_s, issue + cost.issue_to_end_s));
        return start;
    }

    /// Gathers the members; the last one moves the operation's messages and lets all go.
    double meet(RankId id, const PackedTask& task, double issue, const sg::SemaphorePtr& own) {
        const CommunicatorId communicator = program.ranks[id()].communicators[task.slot];
        const std::size_t members = program.communicators[communicator()].members.size();
        const WorkCost& cost = costs[task.work];
        Meeting& meeting = meetings[communicator()];
        meeting.pending_release =
            std::max(meeting.pending_release, issue + cost.issue_to_end_s - cost.duration_s);
        if (++meeting.arrived < members) {
            wait_on(meeting.finishers, own);
            return meeting.start;
        }
        meeting.arrived = 0;
        meeting.start = now();
        sleep_until(std::exchange(meeting.pending_release, 0));
        const double start = meeting.start;
        if (std::holds_alternative<Collective>(program.works[task.work]))
            Exchange(plan.operation(communicator.value, task.work), plan, hosts).run(own);
        else
            sg::this_actor::sleep_for(cost.duration_s);
        wake(meeting.finishers);
        return start;
    }

    const Program& program;
    const WorkCosts& costs;
    const SimgridPlan& plan;
    const PackedPrograms& packed;
    std::vector<RankState> ranks;
    std::vector<Meeting> meetings;
    Hosts hosts;
};

/// Pure fluid: SimGrid's defaults carry factors fitted to TCP over Ethernet, which are switched off.
const std::vector<std::string>& arguments() {
    static const std::vector<std::string> list = {
        "orrery",
        "--log=root.app:file:/dev/null",     // deadlocks and errors are reported by the parent process
        "--cfg=network/model:CM02",          // flows share links max-min; no factors by message size
        "--cfg=network/TCP-gamma:0",         // no limit of a flow's rate by window / round trip
        "--cfg=network/latency-factor:1",    // latencies as given
        "--cfg=network/bandwidth-factor:1",  // all of a link's bandwidth is usable
        "--cfg=network/weight-S:0",          // a flow's share does not depend on its links' bandwidths
        "--cfg=network/crosstraffic:0",      // no acknowledgements on the way back
        "--cfg=surf/precision:1e-12",        // s; the default, 1e-9 s, is visible beside kernels of 1e-6 s
        "--cfg=maxmin/precision:1e-9",       //
        "--cfg=contexts/stack-size:256",     // KiB per actor
#ifdef ORRERY_UNDER_SANITIZERS
        "--cfg=contexts/factory:thread",  // AddressSanitizer follows threads, not SimGrid's own contexts
#endif
    };
    return list;
}

}  // namespace
}  // namespace orrery::sim

void orrery_simgrid_run(const orrery::sim::SimgridJob& job) {
    std::vector<std::string> words = orrery::sim::arguments();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    int argc = static_cast<int>(argv.size());
    simgrid::s4u::Engine engine(&argc, argv.data());
    simgrid::s4u::Engine::on_deadlock_cb(job.on_deadlock);
    orrery::sim::World world(job);
    world.build_platform();
    world.create_actors();
    engine.run();
}
