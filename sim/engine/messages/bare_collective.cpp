#include "sim/engine/messages/bare_collective.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/flow.hpp"
#include "sim/engine/messages/messages.hpp"

namespace orrery::sim {
namespace {

constexpr std::array kEngines{BareEngine::replay, BareEngine::flow, BareEngine::messages,
                              BareEngine::simgrid};

Protocol protocol_named(const std::string& name) {
    for (const Protocol protocol : kProtocols)
        if (to_string(protocol) == name) return protocol;
    return Protocol::simple;
}

/// The calibration's figures for the chosen algorithm and protocol.
MessageOverheads overheads_of(const CollectiveCost& cost, bool one_node, const CollectiveCalibration& c) {
    const bool nvls = cost.algorithm == "nvls" || cost.algorithm == "nvls-tree";
    const double network_start = one_node ? 0 : c.network_start_s;
    if (nvls)
        return {c.nvls.start_s + network_start, 0, c.nvls.network_step_s,
                c.link_efficiency * c.nvls.link_share, c.network_efficiency * c.nvls.network_share};
    const AlgorithmCalibration& family =
        cost.algorithm == "ring" ? c.ring : (cost.algorithm == "tree" ? c.tree : c.direct);
    const ProtocolCalibration& p = c.of(family, protocol_named(cost.protocol));
    const double start = p.start_s + (&family == &c.direct ? 0 : network_start);
    return {start, p.link_step_s, p.network_step_s, c.link_efficiency * p.link_share,
            c.network_efficiency * p.network_share};
}

CollectiveCost price(const BareCollective& request, const topologies::Cluster& cluster,
                     const CollectiveCalibration& calibration) {
    if (request.kind == CollectiveKind::all_to_all_v) {
        CollectiveChoice choice = request.choice;
        if (request.engine == BareEngine::messages)
            choice.algorithm.clear();  // priced as direct, moved as asked
        return price_all_to_all_v(request.matrix.value(), request.devices, cluster, calibration, choice);
    }
    return price_collective(request.kind, request.bytes, request.devices, cluster, calibration,
                            request.choice);
}

BytesByTier tiers_of(const MessageList& messages, const MessageRoutes& routes) {
    BytesByTier tiers;
    for (std::size_t m = 0; m < messages.size(); ++m) {
        auto level = MessageRoutes::Level::node;
        for (const std::uint32_t link : routes.links_of(m)) level = std::max(level, routes.level[link]);
        switch (level) {
            case MessageRoutes::Level::node:
                tiers.node += messages.bytes[m];
                break;
            case MessageRoutes::Level::network:
                tiers.network += messages.bytes[m];
                break;
            case MessageRoutes::Level::spine:
                tiers.spine += messages.bytes[m];
                break;
        }
    }
    return tiers;
}

/// A program of nothing but the collective, one task a rank.
Program program_of(const BareCollective& request) {
    Program program;
    program.names = {"collective"};
    program.groups.push_back({request.devices});
    Collective work{request.kind, request.bytes, 0};
    if (request.matrix) {
        program.matrices.push_back(*request.matrix);
        work.matrix = 0;
        work.bytes = request.matrix->mean_sent();
    }
    program.works.emplace_back(work);
    RankProgram& tasks = program.rank_programs.emplace_back();
    tasks.streams.push_back({StreamKind::ep, -1});
    tasks.stream.emplace_back(0U);
    tasks.work.emplace_back(0U);
    tasks.flags.push_back(0);
    tasks.communicator_slot.push_back(0);
    tasks.sequence.push_back(0);
    tasks.dependency_begin = {0, 0};
    tasks.label.emplace_back();
    Communicator& group = program.communicators.emplace_back();
    group.operations = 1;
    group.name = "group";
    program.first_task.push_back(0);
    for (const std::uint32_t device : request.devices) {
        group.members.emplace_back(program.ranks.size());
        Rank rank;
        rank.device = device;
        rank.communicators.emplace_back(0U);
        program.ranks.push_back(std::move(rank));
        program.first_task.push_back(program.ranks.size());
    }
    return program;
}

void by_simgrid(const BareCollective& request, const topologies::Cluster& cluster, BareResult& result) {
    const bool exchange =
        request.kind == CollectiveKind::all_to_all || request.kind == CollectiveKind::all_to_all_v;
    result.cost.algorithm = !request.choice.algorithm.empty() ? request.choice.algorithm
                            : exchange                        ? "pairwise"
                                                              : std::string(plain_algorithm(request.kind));
    result.cost.protocol = request.choice.protocol;
    ForcedCollectives forced;
    forced[static_cast<std::size_t>(request.kind)] = {result.cost.algorithm, result.cost.protocol};
    const Program program = program_of(request);
    result.cost.time_s = simulate_with_simgrid(program, WorkCosts(1), cluster, forced).makespan();
}

void by_flow(const BareCollective& request, const topologies::Cluster& cluster,
             const CollectiveCalibration& calibration, BareResult& result) {
    CollectiveCalibration fixed = calibration;
    fixed.forced[static_cast<std::size_t>(request.kind)] = {result.cost.algorithm, result.cost.protocol};
    const Program program = program_of(request);
    const Network network(cluster);
    const FlowLoads loads = flow_loads(program, price_transfers(program, fixed, cluster), network, cluster);
    const WorkCosts costs{{result.cost.time_s, 0, result.cost.time_s}};
    result.cost.time_s = simulate_with_flow(program, costs, loads).makespan();
}

double count(const BareCollective& request, const CollectiveCost& cost, const GroupPlacement& group) {
    if (!request.matrix) return message_count(request.kind, cost.algorithm, group);
    double messages = 0;
    for (std::uint32_t i = 0; i < request.matrix->members; ++i)
        for (std::uint32_t j = 0; j < request.matrix->members; ++j)
            messages += i != j && request.matrix->at(i, j) > 0 ? 1 : 0;
    return messages;
}

}  // namespace

std::string_view to_string(BareEngine engine) {
    switch (engine) {
        case BareEngine::replay:
            return "replay";
        case BareEngine::flow:
            return "flow";
        case BareEngine::messages:
            return "messages";
        case BareEngine::simgrid:
            return "simgrid";
    }
    return "?";
}

BareEngine parse_bare_engine(std::string_view name) {
    std::vector<std::string> names;
    for (const BareEngine engine : kEngines) {
        if (to_string(engine) == name) return engine;
        names.emplace_back(to_string(engine));
    }
    throw InputError({}, "--engine", unknown_name("engine", std::string(name), names));
}

BareResult run_bare_collective(const BareCollective& request, const topologies::Cluster& cluster,
                               const CollectiveCalibration& calibration) {
    BareResult result;
    const auto begin = std::chrono::steady_clock::now();
    const auto stop = [&] {
        result.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    const GroupPlacement group = place_group(request.devices, cluster, request.choice.sharing_groups);
    const bool alone = request.devices.size() < 2;
    if (request.engine != BareEngine::simgrid) result.cost = price(request, cluster, calibration);
    if (request.engine == BareEngine::simgrid && !alone) by_simgrid(request, cluster, result);
    if (request.engine == BareEngine::flow && !alone) by_flow(request, cluster, calibration, result);
    if (alone) return stop(), result;
    if (request.kind == CollectiveKind::all_to_all_v && !request.choice.algorithm.empty())
        result.cost.algorithm = request.choice.algorithm;
    result.messages = count(request, result.cost, group);
    if (request.engine != BareEngine::messages) stop();
    if (request.engine != BareEngine::messages && result.messages > kMostCountedMessages) return result;

    const Network network(cluster);
    const MessageList messages =
        collective_messages({request.kind, request.bytes, request.matrix ? &*request.matrix : nullptr},
                            member_places(request.devices, cluster, network), result.cost.algorithm);
    const MessageOverheads overheads = overheads_of(result.cost, group.one_node(), calibration);
    const MessageRoutes routes = route_messages(messages, request.devices, cluster, network, overheads);
    if (request.engine == BareEngine::messages) {
        result.cost.time_s = move_messages(messages, routes, overheads.start_s).time_s;
        result.messages = static_cast<double>(messages.size());
        stop();
    }
    result.bytes = tiers_of(messages, routes);
    return result;
}

TrafficMatrix zipf_matrix(std::uint32_t members, double bytes_a_member, double exponent) {
    std::vector<double> share(members);
    double sum = 0;
    for (std::uint32_t j = 0; j < members; ++j) sum += share[j] = std::pow(j + 1.0, -exponent);
    TrafficMatrix matrix{members, {}};
    matrix.bytes.reserve(std::size_t{members} * members);
    for (std::uint32_t i = 0; i < members; ++i)
        for (std::uint32_t j = 0; j < members; ++j) matrix.bytes.push_back(bytes_a_member * share[j] / sum);
    return matrix;
}

}  // namespace orrery::sim
