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

/// The messages that a position has got in the current operation.
struct Inbox {
    std::vector<double> arrivals;
    Waiters waiters;
};

struct Meeting {
    std::uint32_t arrived = 0;
    std::uint32_t finished = 0;
    double start = 0;
    double release = 0;          ///< messages leave no earlier: all members' launches are over
    double pending_release = 0;  ///< the same, of the members that have arrived
    Waiters arrivals;
    Waiters finishers;
    std::vector<std::vector<std::uint32_t>> rings;  ///< see Network::rings
    std::vector<Inbox> inboxes;                     ///< [ring * members + position]
};

class World {
  public:
    World(const Program& p, const WorkCosts& c, const Network& n, const Routes& used,
          const SimgridOutput& output)
        : program(p), costs(c), network(n), routes(used), packed(pack(p, c)) {
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
            meetings[m].rings = network.rings(ring_of(program, CommunicatorId(m)));
            meetings[m].inboxes.resize(meetings[m].rings.size() * program.communicators[m].members.size());
        }
    }

    /// One host per device, with the routes that are used. SimGrid weighs flows that share a link by the
    /// inverse of their route's latency; links without latency are shared evenly. The latency is slept by the
    /// sender instead.
    void build_platform() {
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
            for (Inbox& inbox : meeting.inboxes) inbox.arrivals.clear();
            wake(meeting.finishers);
        }
        return start;
    }

    /// One rank's place on one ring of an operation.
    struct Place {
        Inbox* inboxes = nullptr;  ///< [position]
        const std::vector<std::uint32_t>* ring = nullptr;
        std::uint32_t position = 0;
        CollectiveSteps steps;
    };

    void exchange(Meeting& meeting, const Collective& collective, RankId id, const PackedTask& task,
                  const sg::SemaphorePtr& own) {
        const std::uint32_t device = program.ranks[id()].device;
        const std::vector<std::vector<std::uint32_t>> order = {
            in_order(collective, id, task, ring_of(program, program.ranks[id()].communicators[task.slot]))};
        const auto& rings = uses_rings(collective.kind) ? meeting.rings : order;
        std::vector<Place> places;
        for (const auto& ring : rings) {
            Place& place = places.emplace_back();
            const auto members = static_cast<std::uint32_t>(ring.size());
            place.inboxes = meeting.inboxes.data() + (places.size() - 1) * members;
            place.ring = &ring;
            place.position =
                static_cast<std::uint32_t>(std::find(ring.begin(), ring.end(), device) - ring.begin());
            place.steps =
                collective_steps(collective.kind, collective.bytes / static_cast<double>(rings.size()),
                                 members, place.position);
        }
        for (std::size_t m = 0; m < places.front().steps.messages.size(); ++m) send(places, m, device, own);
        for (const Place& place : places) receive(place, place.steps.receives, own);
    }

    /// Of a send, who sends is told by the streams, where they tell.
    [[nodiscard]] std::vector<std::uint32_t> in_order(const Collective& collective, RankId id,
                                                      const PackedTask& task,
                                                      std::vector<std::uint32_t> ring) const {
        if (collective.kind != CollectiveKind::send_recv || ring.size() != 2) return ring;
        const StreamKind kind = program.program_of(id).streams[task.stream].kind;
        const std::uint32_t device = program.ranks[id()].device;
        if ((kind == StreamKind::pp_send && device == ring[1]) ||
            (kind == StreamKind::pp_recv && device == ring[0]))
            std::swap(ring[0], ring[1]);
        return ring;
    }

    static void receive(const Place& place, std::uint32_t messages, const sg::SemaphorePtr& own) {
        Inbox& inbox = place.inboxes[place.position];
        while (inbox.arrivals.size() < messages) wait_on(inbox.waiters, own);
        for (std::uint32_t i = 0; i < messages; ++i) sleep_until(inbox.arrivals[i]);
    }

    /// Sends the m-th message of every ring at once and returns when all have left.
    void send(const std::vector<Place>& places, std::size_t m, std::uint32_t device,
              const sg::SemaphorePtr& own) {
        for (const Place& place : places) receive(place, place.steps.messages[m].after_received, own);
        std::vector<sg::CommPtr> transfers;
        for (const Place& place : places) {
            const Message& message = place.steps.messages[m];
            if (message.bytes <= 0) continue;
            const auto whole = static_cast<std::uint64_t>(std::max(1.0, std::round(message.bytes)));
            sg::Host* const to = hosts.at((*place.ring)[message.to]);
            transfers.push_back(sg::Comm::sendto_async(hosts.at(device), to, whole));
        }
        for (const sg::CommPtr& transfer : transfers) transfer->wait();
        for (const Place& place : places) {
            const std::uint32_t to = place.steps.messages[m].to;
            place.inboxes[to].arrivals.push_back(now() + routes.at({device, (*place.ring)[to]}).latency_s);
            wake(place.inboxes[to].waiters);
        }
    }

    const Program& program;
    const WorkCosts& costs;
    const Network& network;
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
    devices.reserve(program.communicators[communicator()].members.size());
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
    World world(program, costs, network, routes, output);
    world.build_platform();
    world.create_actors();
    engine.run();
}

}  // namespace orrery::sim
