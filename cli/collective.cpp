// orrery collective KIND --bytes N --ranks N --cluster NAME: the time of a bare collective, and how NCCL
// would do it by the model; or any algorithm message by message.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/byte_count.hpp"
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
    std::string kind;
    std::string size;  ///< as it was written
    std::uint64_t bytes = 0;
    int ranks = 0;
    int ranks_per_node = 0;
    std::string cluster;
    std::string calibration;
    sim::CollectiveChoice choice;
    std::string engine = "replay";
    double skew = 0;
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
topologies::Cluster cluster_of(const Options& options, int& per_node) {
    const topologies::Cluster whole = topologies::find_cluster(options.cluster);
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

void print(const Options& options, const sim::GroupPlacement& group, const std::string& calibration,
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

sim::BareCollective request_of(const Options& options, const topologies::Cluster& cluster, int per_node) {
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

int collective(Options options) {
    options.bytes = byte_count(options.size, "--bytes");
    sim::parse_collective_kind(options.kind);
    int per_node = 0;
    const topologies::Cluster cluster = cluster_of(options, per_node);
    const std::string name = options.calibration.empty() ? cluster.node.collectives : options.calibration;
    const sim::CollectiveCalibration calibration = sim::load_collectives(name);
    const sim::BareCollective request = request_of(options, cluster, per_node);
    const sim::BareResult result = sim::run_bare_collective(request, cluster, calibration);
    const double bus = sim::bus_bandwidth(request.kind, request.bytes, options.ranks, result.cost.time_s);
    if (!options.json) {
        const auto group = sim::place_group(request.devices, cluster, options.choice.sharing_groups);
        print(options, group, name, result, bus);
        return kDone;
    }
    print_json({{"collective", options.kind},
                {"cluster", cluster.name},
                {"calibration", name},
                {"ranks", options.ranks},
                {"bytes", options.bytes},
                {"algorithm", result.cost.algorithm},
                {"protocol", result.cost.protocol},
                {"engine", options.engine},
                {"skew", options.skew},
                {"time_s", result.cost.time_s},
                {"bus_bandwidth", bus},
                {"messages", static_cast<std::uint64_t>(result.messages)},
                {"bytes_by_tier", tiers(result)},
                {"simulation",
                 {{"wall_s", result.wall_s},
                  {"messages_per_s", result.wall_s > 0 ? result.messages / result.wall_s : 0}}}});
    return kDone;
}

}  // namespace

Command add_collective(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("collective", "Time of a bare collective on a cluster");
    command
        ->add_option("kind", options->kind,
                     "all-reduce, all-gather, reduce-scatter, all-to-all, all-to-all-v, send-recv, ...")
        ->required();
    command
        ->add_option(
            "--bytes", options->size,
            "Size of the full buffer (1048576, 64MiB, 1GB): an all-gather's output, what one rank of an "
            "all-to-all sends in all")
        ->required();
    command->add_option("--ranks", options->ranks, "How many GPUs take part")
        ->required()
        ->check(CLI::Range(1, 1 << 20));
    command
        ->add_option("--cluster", options->cluster,
                     "Kind of node, or a whole cluster: a name of orrery list clusters, or a file")
        ->required()
        ->type_name("NAME");
    command->add_option("--ranks-per-node", options->ranks_per_node, "GPUs used of each node (default: all)")
        ->check(CLI::Range(1, 1024));
    command
        ->add_option(
            "--sharing-groups", options->choice.sharing_groups,
            "Groups that share a node's NICs at once (default: as if every GPU of the node were in one)")
        ->check(CLI::Range(1, 1024));
    command
        ->add_option(
            "--algorithm", options->choice.algorithm,
            "Force: ring, tree, nvls, nvls-tree, direct, pairwise, halving-doubling, bruck, hierarchical, "
            "relay, sharp, dissemination")
        ->type_name("NAME");
    command->add_option("--protocol", options->choice.protocol, "Force: LL, LL128, Simple")
        ->type_name("NAME");
    command->add_option("--calibration", options->calibration, "Collective calibration (default: the node's)")
        ->type_name("NAME");
    command
        ->add_option("--engine", options->engine,
                     "replay (closed form), flow (one load on the cluster's links), messages (message by "
                     "message), simgrid (the same, links bare and shared fairly)")
        ->type_name("NAME");
    command
        ->add_option("--skew", options->skew,
                     "all-to-all-v: rank j gets a share of 1 / (j + 1)^Z of what each rank sends (Zipf)")
        ->type_name("Z")
        ->check(CLI::Range(0.0, 10.0));
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return collective(*options); }};
}

}  // namespace orrery::cli
