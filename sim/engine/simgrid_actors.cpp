#include "sim/engine/simgrid_actors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <simgrid/s4u.hpp>
#include <string>

#include "sim/engine/collective_steps.hpp"
#include "sim/engine/packed_program.hpp"

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

struct Meeting {
    std::uint32_t arrived = 0;
    std::uint32_t finished = 0;
    double start = 0;
    double release = 0;          ///< messages leave no earlier: all members' launches are over
    double pending_release = 0;  ///< the same, of the members that have arrived
    Waiters arrivals;
    Waiters finishers;
    std::vector<std::uint32_t> received;  ///< [position] messages of the current operation
    std::vector<Waiters> inbox;           ///< [position]
};

class World {
  public:
    World(const Program& p, const WorkCosts& c, const Routes& used, const SimgridOutput& output)
        : program(p), costs(c), routes(used), packed(pack(p, c)) {
        std::size_t stream = 0;
        ranks.resize(program.ranks.size());
        for (std::size_t r = 0; r < ranks.size(); ++r) {
            const PackedRange& range = packed.range[program.ranks[r].program];
            RankState& rank = ranks[r];
            rank.head = output.head + stream;
            rank.start = output.start + program.first_task[r];
            rank.end = output.end + program.first_task[r];
            rank.stream_waiters.resize(range.streams);
            rank.segment_begin.assign(range.segments, 0);
            rank.issued = packed.host_waits[range.host_wait];
            stream += range.streams;
        }
        meetings.resize(program.communicators.size());
        for (std::size_t m = 0; m < meetings.size(); ++m) {
            meetings[m].received.resize(program.communicators[m].members.size());
            meetings[m].inbox.resize(program.communicators[m].members.size());
        }
    }

    /// One host per device, with the routes that are used. SimGrid weighs flows that share a link by the
    /// inverse of their route's latency; links without latency are shared evenly. The latency is slept by the
    /// sender instead.
    void build_platform(const Network& network) {
        sg::NetZone* zone = sg::create_full_zone("cluster");
        for (const Rank& rank : program.ranks)
            if (hosts.count(rank.device) == 0)
                hosts[rank.device] = zone->create_host(fmt::format("device {}", rank.device), 1.0);
        std::map<std::uint32_t, sg::Link*> links;
        for (const auto& [pair, route] : routes) {
            std::vector<sg::LinkInRoute> way;
            for (const std::uint32_t link : route.links) {
                const auto found = links.emplace(link, nullptr).first;
                if (found->second == nullptr)
                    found->second =
                        zone->create_link(network.links()[link].name, network.links()[link].bandwidth);
                way.emplace_back(found->second);
            }
            zone->add_route(hosts.at(pair.first)->get_netpoint(), hosts.at(pair.second)->get_netpoint(),
                            nullptr, nullptr, way, false);
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

    /// Gathers the members, exchanges their messages, and lets all go when the last is done.
    double meet(RankId id, const PackedTask& task, double issue, const sg::SemaphorePtr& own) {
        const CommunicatorId communicator = program.ranks[id()].communicators[task.slot];
        const std::size_t members = program.communicators[communicator()].members.size();
        const WorkCost& cost = costs[task.work];
        Meeting& meeting = meetings[communicator()];
        meeting.pending_release =
            std::max(meeting.pending_release, issue + cost.issue_to_end_s - cost.duration_s);
        if (++meeting.arrived < members) {
            wait_on(meeting.arrivals, own);
        } else {
            meeting.arrived = 0;
            meeting.start = now();
            meeting.release = meeting.pending_release;
            meeting.pending_release = 0;
            wake(meeting.arrivals);
        }
        const double start = meeting.start;
        sleep_until(meeting.release);
        if (const auto* collective = std::get_if<Collective>(&program.works[task.work]))
            exchange(meeting, *collective, id, task, own);
        else
            sg::this_actor::sleep_for(cost.duration_s);
        if (++meeting.finished < members) {
            wait_on(meeting.finishers, own);
        } else {
            meeting.finished = 0;
            std::fill(meeting.received.begin(), meeting.received.end(), 0);
            wake(meeting.finishers);
        }
        return start;
    }

    void exchange(Meeting& meeting, const Collective& collective, RankId id, const PackedTask& task,
                  const sg::SemaphorePtr& own) {
        const std::uint32_t device = program.ranks[id()].device;
        std::vector<std::uint32_t> ring = ring_of(program, program.ranks[id()].communicators[task.slot]);
        if (collective.kind == CollectiveKind::send_recv && ring.size() == 2) {
            // Who sends is told by the streams, where they tell.
            const StreamKind kind = program.program_of(id).streams[task.stream].kind;
            if ((kind == StreamKind::pp_send && device == ring[1]) ||
                (kind == StreamKind::pp_recv && device == ring[0]))
                std::swap(ring[0], ring[1]);
        }
        const auto position =
            static_cast<std::uint32_t>(std::find(ring.begin(), ring.end(), device) - ring.begin());
        const CollectiveSteps steps = collective_steps(collective.kind, collective.bytes,
                                                       static_cast<std::uint32_t>(ring.size()), position);
        const auto wait_for = [&](std::uint32_t messages) {
            while (meeting.received[position] < messages) wait_on(meeting.inbox[position], own);
        };
        for (const Message& message : steps.messages) {
            wait_for(message.after_received);
            send(device, ring[message.to], message.bytes);
            ++meeting.received[message.to];
            wake(meeting.inbox[message.to]);
        }
        wait_for(steps.receives);
    }

    void send(std::uint32_t from, std::uint32_t to, double bytes) {
        const double latency = routes.at({from, to}).latency_s;
        if (latency > 0) sg::this_actor::sleep_for(latency);
        if (bytes <= 0) return;
        const auto whole = static_cast<std::uint64_t>(std::max(1.0, std::round(bytes)));
        sg::Comm::sendto(hosts.at(from), hosts.at(to), whole);
    }

    const Program& program;
    const WorkCosts& costs;
    const Routes& routes;
    PackedPrograms packed;
    std::vector<RankState> ranks;
    std::vector<Meeting> meetings;
    std::map<std::uint32_t, sg::Host*> hosts;
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
#if defined(__SANITIZE_ADDRESS__)
        "--cfg=contexts/factory:thread",  // AddressSanitizer follows threads, not SimGrid's own contexts
#endif
    };
    return list;
}

}  // namespace

std::vector<std::uint32_t> ring_of(const Program& program, CommunicatorId communicator) {
    std::vector<std::uint32_t> devices;
    for (const RankId member : program.communicators[communicator()].members)
        devices.push_back(program.ranks[member()].device);
    return devices;
}

void run_simgrid(const Program& program, const WorkCosts& costs, const Network& network, const Routes& routes,
                 const SimgridOutput& output, const std::function<void()>& on_deadlock) {
    std::vector<std::string> words = arguments();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    int argc = static_cast<int>(argv.size());
    sg::Engine engine(&argc, argv.data());
    sg::Engine::on_deadlock_cb(on_deadlock);
    World world(program, costs, routes, output);
    world.build_platform(network);
    world.create_actors();
    engine.run();
}

}  // namespace orrery::sim
