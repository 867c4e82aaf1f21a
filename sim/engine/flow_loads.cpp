#include "sim/engine/flow_loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

/// A work that a rank program does in one of its communicator slots, or, of a copy, in none.
struct SlotWork {
    std::uint32_t slot = kNoCommunicator;
    std::uint32_t work = 0;
    StreamKind stream = StreamKind::compute;
    auto operator<=>(const SlotWork&) const = default;
};

std::vector<SlotWork> slot_works(const Program& program, const RankProgram& tasks,
                                 const TransferCosts& transfers) {
    std::set<SlotWork> seen;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const std::uint32_t work = tasks.work[i].value;
        if (transfers[work].transfer_s <= 0) continue;
        const bool copy = std::holds_alternative<Copy>(program.works[work]);
        const std::uint32_t slot = copy ? kNoCommunicator : tasks.communicator_slot[i];
        if (!copy && slot == kNoCommunicator) continue;
        seen.insert({slot, work, tasks.streams[tasks.stream[i]()].kind});
    }
    return {seen.begin(), seen.end()};
}

std::vector<std::uint32_t> devices_of(const Program& program, CommunicatorId communicator) {
    std::vector<std::uint32_t> devices;
    for (const RankId member : program.communicators[communicator()].members)
        devices.push_back(program.ranks[member()].device);
    return devices;
}

/// Of a send, who sends is told by the streams, where they tell.
void put_sender_first(std::vector<std::uint32_t>& devices, std::uint32_t device, StreamKind stream) {
    if (devices.size() != 2) return;
    if ((stream == StreamKind::pp_send && device == devices[1]) ||
        (stream == StreamKind::pp_recv && device == devices[0]))
        std::swap(devices[0], devices[1]);
}

void check_whole(const Program& program, const Collective& work, CommunicatorId id) {
    const std::size_t group = program.groups[work.group].devices.size();
    const std::size_t members = program.communicators[id()].members.size();
    if (group != members)
        throw ExperimentError(
            fmt::format("communicator '{}': the {} runs on {} devices, {} of them are simulated; engine flow "
                        "needs all (run without folding)",
                        program.communicators[id()].name, to_string(work.kind), group, members));
}

}  // namespace

std::vector<OwnedWork> owned_works(const Program& program, const TransferCosts& transfers) {
    std::vector<std::vector<SlotWork>> by_program;
    for (const RankProgram& tasks : program.rank_programs)
        by_program.push_back(slot_works(program, tasks, transfers));
    std::vector<std::vector<OwnedWork>> by_owner(program.communicators.size() + program.ranks.size());
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const Rank& rank = program.ranks[r];
        for (const SlotWork& one : by_program[rank.program]) {
            const bool copy = one.slot == kNoCommunicator;
            const std::size_t owner =
                copy ? program.communicators.size() + r : rank.communicators[one.slot]();
            auto& list = by_owner[owner];
            const bool known = std::any_of(list.begin(), list.end(),
                                           [&](const OwnedWork& other) { return other.work == one.work; });
            if (known) continue;
            OwnedWork& fresh = list.emplace_back();
            fresh.owner = static_cast<std::uint32_t>(owner);
            fresh.work = one.work;
            if (copy) {
                fresh.devices = {rank.device};
                continue;
            }
            fresh.devices = devices_of(program, rank.communicators[one.slot]);
            const auto& work = std::get<Collective>(program.works[one.work]);
            if (work.kind == CollectiveKind::send_recv)
                put_sender_first(fresh.devices, rank.device, one.stream);
        }
    }
    std::vector<OwnedWork> all;
    for (auto& list : by_owner)
        all.insert(all.end(), std::make_move_iterator(list.begin()), std::make_move_iterator(list.end()));
    return all;
}

FlowNetwork::FlowNetwork(const Network& n, const topologies::Cluster& c) : network(n), cluster(c), sum(n, c) {
    const topologies::Graph& graph = network.graph();
    capacities.reserve(graph.links() + 2 * static_cast<std::size_t>(cluster.devices()));
    for (std::uint32_t link = 0; link < graph.links(); ++link) capacities.push_back(graph.bandwidth(link));
    for (int d = 0; d < cluster.devices(); ++d)
        capacities.insert(capacities.end(), 2, cluster.node_at(static_cast<std::uint32_t>(d)).pcie_bandwidth);
}

std::string FlowLoads::name(std::uint32_t class_of_links) const {
    const std::uint32_t link = links[class_of_links].link;
    if (!wires) return fmt::format("link {}", link);
    const std::uint32_t first = wires->links();
    if (link < first) return wires->link_name(link);
    return fmt::format("gpu {} {} host", (link - first) / 2, (link - first) % 2 == 0 ? "to" : "from");
}

std::vector<LinkBytes> FlowNetwork::traffic(const Program& program, const OwnedWork& what,
                                            const TransferCosts& transfers) {
    const TransferCost& cost = transfers[what.work];
    if (const auto* copy = std::get_if<Copy>(&program.works[what.work])) {
        const auto first = network.link_count();
        const std::uint32_t link = first + 2 * what.devices[0] + (copy->to_host ? 0 : 1);
        return {{link, copy->bytes, copy->bytes, true}};
    }
    const auto& work = std::get<Collective>(program.works[what.work]);
    if (work.kind == CollectiveKind::all_to_all_v)
        sum.add(exchange_pairs(program.matrices.at(work.matrix), what.devices), cost.node_wire,
                cost.network_wire);
    else if (known_by_pairs(work.kind, cost.algorithm))
        sum.add(collective_pairs(work.kind, cost.algorithm, work.bytes, what.devices, network, cluster),
                cost.node_wire, cost.network_wire);
    else
        sum.add_messages(work.kind, cost.algorithm, work.bytes, what.devices, cost.node_wire,
                         cost.network_wire);
    return sum.take();
}

double reference_demand(std::span<const LinkBytes> traffic, double transfer_s,
                        const std::vector<double>& capacity) {
    double reference = 1;
    double hardest = 0;
    for (const LinkBytes& on : traffic) {
        const double demand = std::min(on.wire / transfer_s, capacity[on.link]);
        if (demand <= hardest * capacity[on.link]) continue;
        hardest = demand / capacity[on.link];
        reference = demand;
    }
    return reference;
}

std::uint32_t append_load(FlowLoads& loads, std::span<const LinkBytes> traffic, double transfer_s) {
    FlowLoad load{static_cast<std::uint32_t>(loads.demands.size()), 0, transfer_s,
                  reference_demand(traffic, transfer_s, loads.capacity)};
    for (const LinkBytes& on : traffic) {
        loads.demands.push_back({on.link, std::min(on.wire / transfer_s, loads.capacity[on.link])});
        loads.payload.push_back(on.payload);
        if (!on.inside_node) loads.links[on.link].between_nodes = true;
    }
    load.size = static_cast<std::uint32_t>(loads.demands.size()) - load.first;
    loads.loads.push_back(load);
    return static_cast<std::uint32_t>(loads.loads.size() - 1);
}

FlowLoads flow_loads(const Program& program, const TransferCosts& transfers, const Network& network,
                     const topologies::Cluster& cluster) {
    FlowNetwork links(network, cluster);
    FlowLoads result;
    result.capacity = links.capacity();
    result.wires = links.wires();
    result.links.reserve(links.links());
    for (std::uint32_t l = 0; l < links.links(); ++l) result.links.push_back(links.link(l));
    const std::size_t owners = program.communicators.size() + program.ranks.size();
    result.first_use.reserve(owners + 1);
    for (const OwnedWork& what : owned_works(program, transfers)) {
        if (const auto* work = std::get_if<Collective>(&program.works[what.work]))
            check_whole(program, *work, CommunicatorId(what.owner));
        while (result.first_use.size() <= what.owner)
            result.first_use.push_back(static_cast<std::uint32_t>(result.uses.size()));
        const std::vector<LinkBytes> traffic = links.traffic(program, what, transfers);
        result.uses.push_back({what.work, append_load(result, traffic, transfers[what.work].transfer_s)});
    }
    while (result.first_use.size() <= owners)
        result.first_use.push_back(static_cast<std::uint32_t>(result.uses.size()));
    return result;
}

}  // namespace orrery::sim
