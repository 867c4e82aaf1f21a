// orrery collective KIND --bytes N --ranks N --cluster NAME: the time of a bare collective, and how NCCL
// would do it by the model; or any algorithm message by message.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/byte_count.hpp"
#include "cli/collective.hpp"
#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/engine/messages/bare_collective.hpp"
#include "topologies/cluster.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::cli {
namespace {

struct Options {
    CollectiveRequest request;
    std::string size;  ///< as it was written
    bool json = false;
};

/// `ranks` devices, `per_node` on each node from its first GPU on.
std::vector<std::uint32_t> devices_of(int ranks, int per_node, int gpus) {
    std::vector<std::uint32_t> devices;
    for (int i = 0; i < ranks; ++i)
        devices.push_back(static_cast<std::uint32_t>(i / per_node * gpus + i % per_node));
    return devices;
}

/// A whole cluster of the zoo, of which the ranks take the first nodes; or as many nodes as they need.
topologies::Cluster cluster_of(const CollectiveRequest& options, int& per_node) {
    topologies::Cluster whole = topologies::find_cluster(options.cluster);
    const topologies::Node& node = whole.node;
    per_node = options.ranks_per_node > 0 ? options.ranks_per_node : node.gpus;
    if (per_node > node.gpus)
        throw InputError({}, "--ranks-per-node", fmt::format("{} has {} GPUs", node.name, node.gpus));
    const int nodes = (options.ranks + per_node - 1) / per_node;
    if (!topologies::names_a_cluster(options.cluster))
        return topologies::find_cluster(options.cluster, nodes);
    if (nodes > whole.nodes)
        throw InputError({}, "--ranks",
                         fmt::format("{} has {} nodes: at most {} ranks of {} a node", options.cluster,
                                     whole.nodes, std::int64_t{whole.nodes} * per_node, per_node));
    return whole;
}

const char* shown(const std::string& name) {
    return name.empty() ? "none" : name.c_str();
}

void print(const CollectiveRequest& options, const sim::GroupPlacement& group, const std::string& calibration,
           const sim::BareResult& result, double bus) {
    fmt::print("{} of {} bytes over {} ranks on {} ({} node{}, {} a node)\n", options.kind, options.bytes,
               options.ranks, options.cluster, group.nodes, group.nodes == 1 ? "" : "s", group.most_per_node);
    fmt::print("  time           {:>14.3f} us\n", result.cost.time_s * 1e6);
    fmt::print("  bus bandwidth  {:>14.2f} GB/s\n", bus * 1e-9);
    fmt::print("  algorithm      {:>14}\n", shown(result.cost.algorithm));
    fmt::print("  protocol       {:>14}\n", shown(result.cost.protocol));
    fmt::print("  calibration    {:>14}\n", calibration);
    fmt::print("  engine         {:>14}\n", options.engine);
    fmt::print("  messages       {:>14.0f}\n", result.messages);
    if (!result.bytes) return;
    fmt::print("  bytes inside nodes       {:>14.0f}\n", result.bytes->node);
    fmt::print("  bytes between nodes      {:>14.0f}\n", result.bytes->network);
    fmt::print("  bytes through a spine    {:>14.0f}\n", result.bytes->spine);
}

nlohmann::json tiers(const sim::BareResult& result) {
    if (!result.bytes) return nullptr;
    return {{"node", result.bytes->node}, {"network", result.bytes->network}, {"spine", result.bytes->spine}};
}

sim::BareCollective request_of(const CollectiveRequest& options, const topologies::Cluster& cluster,
                               int per_node) {
    sim::BareCollective request;
    request.kind = sim::parse_collective_kind(options.kind);
    request.engine = sim::parse_bare_engine(options.engine);
    request.bytes = static_cast<double>(options.bytes);
    request.devices = devices_of(options.ranks, per_node, cluster.node.gpus);
    request.choice = options.choice;
    if (request.kind == sim::CollectiveKind::all_to_all_v)
        request.matrix =
            sim::zipf_matrix(static_cast<std::uint32_t>(options.ranks), request.bytes, options.skew);
    else if (options.skew != 0)
        throw InputError({}, "--skew", "only an all-to-all-v has a matrix to skew");
    return request;
}

/// A request with what it names, and what came of it.
struct Answer {
    topologies::Cluster cluster;
    std::string calibration;
    sim::BareCollective bare;
    sim::BareResult result;
    double bus_bandwidth = 0;
};

Answer answer(const CollectiveRequest& options) {
    sim::parse_collective_kind(options.kind);
    int per_node = 0;
    Answer answer;
    answer.cluster = cluster_of(options, per_node);
    answer.calibration = options.calibration.empty() ? answer.cluster.node.collectives : options.calibration;
    const sim::CollectiveCalibration calibration = sim::load_collectives(answer.calibration);
    answer.bare = request_of(options, answer.cluster, per_node);
    answer.result = sim::run_bare_collective(answer.bare, answer.cluster, calibration);
    answer.bus_bandwidth =
        sim::bus_bandwidth(answer.bare.kind, answer.bare.bytes, options.ranks, answer.result.cost.time_s);
    return answer;
}

int collective(Options options) {
    options.request.bytes = byte_count(options.size, "--bytes");
    if (options.json) {
        print_json(collective_json(options.request));
        return kDone;
    }
    const Answer found = answer(options.request);
    const auto group =
        sim::place_group(found.bare.devices, found.cluster, options.request.choice.sharing_groups);
    print(options.request, group, found.calibration, found.result, found.bus_bandwidth);
    return kDone;
}

}  // namespace

nlohmann::ordered_json collective_json(const CollectiveRequest& options) {
    const Answer found = answer(options);
    const sim::BareResult& result = found.result;
    return {{"collective", options.kind},
            {"cluster", found.cluster.name},
            {"calibration", found.calibration},
            {"ranks", options.ranks},
            {"bytes", options.bytes},
            {"algorithm", result.cost.algorithm},
            {"protocol", result.cost.protocol},
            {"engine", options.engine},
            {"skew", options.skew},
            {"time_s", result.cost.time_s},
            {"bus_bandwidth", found.bus_bandwidth},
            {"messages", static_cast<std::uint64_t>(result.messages)},
            {"bytes_by_tier", tiers(result)},
            {"simulation",
             {{"wall_s", result.wall_s},
              {"messages_per_s", result.wall_s > 0 ? result.messages / result.wall_s : 0}}}};
}

Command add_collective(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("collective", "Time of a bare collective on a cluster");
    command
        ->add_option("kind", options->request.kind,
                     "all-reduce, all-gather, reduce-scatter, all-to-all, all-to-all-v, send-recv, ...")
        ->required();
    command
        ->add_option(
            "--bytes", options->size,
            "Size of the full buffer (1048576, 64MiB, 1GB): an all-gather's output, what one rank of an "
            "all-to-all sends in all")
        ->required();
    command->add_option("--ranks", options->request.ranks, "How many GPUs take part")
        ->required()
        ->check(CLI::Range(1, 1 << 20));
    command
        ->add_option("--cluster", options->request.cluster,
                     "Kind of node, or a whole cluster: a name of orrery list clusters, or a file")
        ->required()
        ->type_name("NAME");
    command
        ->add_option("--ranks-per-node", options->request.ranks_per_node,
                     "GPUs used of each node (default: all)")
        ->check(CLI::Range(1, 1024));
    command
        ->add_option(
            "--sharing-groups", options->request.choice.sharing_groups,
            "Groups that share a node's NICs at once (default: as if every GPU of the node were in one)")
        ->check(CLI::Range(1, 1024));
    command
        ->add_option(
            "--algorithm", options->request.choice.algorithm,
            "Force: ring, tree, nvls, nvls-tree, direct, pairwise, halving-doubling, bruck, hierarchical, "
            "relay, sharp, dissemination")
        ->type_name("NAME");
    command->add_option("--protocol", options->request.choice.protocol, "Force: LL, LL128, Simple")
        ->type_name("NAME");
    command
        ->add_option("--calibration", options->request.calibration,
                     "Collective calibration (default: the node's)")
        ->type_name("NAME");
    command
        ->add_option("--engine", options->request.engine,
                     "replay (closed form), flow (one load on the cluster's links), messages (message by "
                     "message), simgrid (the same, links bare and shared fairly)")
        ->type_name("NAME");
    command
        ->add_option("--skew", options->request.skew,
                     "all-to-all-v: rank j gets a share of 1 / (j + 1)^Z of what each rank sends (Zipf)")
        ->type_name("Z")
        ->check(CLI::Range(0.0, 10.0));
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return collective(*options); }};
}

}  // namespace orrery::cli
