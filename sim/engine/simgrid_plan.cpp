#include "sim/engine/simgrid_plan.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/deadlock.hpp"
#include "sim/engine/messages/message_routes.hpp"

namespace orrery::sim {
namespace {

class Planner {
  public:
    Planner(const Program& p, const topologies::Cluster& c, const Network& n, const ForcedCollectives& f)
        : program(p), cluster(c), network(n), forced(f), hosts(static_cast<std::uint32_t>(c.devices())) {}

    SimgridPlan run() {
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const RankProgram& tasks = program.program_of(RankId(r));
            for (std::size_t i = 0; i < tasks.size(); ++i)
                if (const auto* work = std::get_if<Collective>(&program.works[tasks.work[i]()]))
                    add(RankId(r), TaskId(i), *work);
        }
        return std::move(plan);
    }

  private:
    void add(RankId rank, TaskId task, const Collective& work) {
        const RankProgram& tasks = program.program_of(rank);
        const std::size_t whole = program.groups[work.group].devices.size();
        if (tasks.communicator_slot[task()] == kNoCommunicator) {
            if (whole > 1)
                throw ExperimentError(
                    describe(program, rank, task) +
                    ": engine simgrid needs every rank of a collective; run without folding");
            return;
        }
        const CommunicatorId id = program.ranks[rank()].communicators[tasks.communicator_slot[task()]];
        const auto [at, fresh] =
            plan.of.try_emplace({id.value, tasks.work[task()].value}, plan.operations.size());
        if (!fresh) return;
        const std::size_t members = program.communicators[id()].members.size();
        if (members != whole)
            throw ExperimentError(
                fmt::format("{}: the collective runs on {} devices, {} of communicator '{}' are simulated; "
                            "engine simgrid needs all (run without folding)",
                            describe(program, rank, task), whole, members, program.communicators[id()].name));
        write_out(work, devices_of(id, work, rank, task));
    }

    /// In the order of the members; of a send, who sends is told by the streams, where they tell.
    [[nodiscard]] std::vector<std::uint32_t> devices_of(CommunicatorId id, const Collective& work,
                                                        RankId rank, TaskId task) const {
        std::vector<std::uint32_t> devices;
        for (const RankId member : program.communicators[id()].members)
            devices.push_back(program.ranks[member()].device);
        if (work.kind != CollectiveKind::send_recv || devices.size() != 2) return devices;
        const RankProgram& tasks = program.program_of(rank);
        const StreamKind stream = tasks.streams[tasks.stream[task()]()].kind;
        const bool first = program.ranks[rank()].device == devices[0];
        if ((stream == StreamKind::pp_send && !first) || (stream == StreamKind::pp_recv && first))
            std::swap(devices[0], devices[1]);
        return devices;
    }

    void write_out(const Collective& work, const std::vector<std::uint32_t>& devices) {
        const TrafficMatrix* const matrix =
            work.kind == CollectiveKind::all_to_all_v ? &program.matrices.at(work.matrix) : nullptr;
        SimgridOperation& operation = plan.operations.emplace_back();
        const double bytes = work.kind == CollectiveKind::barrier ? 0 : work.bytes;  // signals only
        operation.messages =
            collective_messages({work.kind, bytes, matrix}, member_places(devices, cluster, network),
                                simgrid_algorithm(work.kind, forced));
        const double wire = wire_bytes(forced_for(forced, work.kind).protocol);
        for (double& size : operation.messages.bytes) size *= wire;
        const MessageList& messages = operation.messages;
        operation.host = devices;
        for (std::size_t s = 0; s < messages.switches.size(); ++s) operation.host.push_back(hosts++);
        const MessageRoutes routes = route_messages(messages, devices, cluster, network);
        for (std::uint32_t m = 0; m < messages.size(); ++m) {
            if (messages.begins_lane[m] != 0) operation.lanes.push_back(m);
            const auto links = routes.links_of(m);
            for (const std::uint32_t link : links) plan.bandwidth[link] = network.graph().bandwidth(link);
            plan.ways.try_emplace({operation.host[messages.from[m]], operation.host[messages.to[m]]},
                                  NetworkRoute{routes.latency_s[routes.of[m]], {links.begin(), links.end()}});
        }
    }

    const Program& program;
    const topologies::Cluster& cluster;
    const Network& network;
    const ForcedCollectives& forced;
    std::uint32_t hosts;  ///< so far
    SimgridPlan plan;
};

}  // namespace

SimgridPlan plan_messages(const Program& program, const topologies::Cluster& cluster, const Network& network,
                          const ForcedCollectives& forced) {
    return Planner(program, cluster, network, forced).run();
}

}  // namespace orrery::sim
