// orrery collective KIND --bytes N --ranks N --cluster NAME: the time of a bare collective, and how NCCL
// would do it by the model.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "topologies/cluster.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string kind;
    std::uint64_t bytes = 0;
    int ranks = 0;
    int ranks_per_node = 0;
    std::string cluster;
    std::string calibration;
    sim::CollectiveChoice choice;
    bool json = false;
};

/// `ranks` devices, `per_node` on each node from its first GPU on.
std::vector<std::uint32_t> devices_of(int ranks, int per_node, int gpus) {
    std::vector<std::uint32_t> devices;
    for (int i = 0; i < ranks; ++i)
        devices.push_back(static_cast<std::uint32_t>(i / per_node * gpus + i % per_node));
    return devices;
}

topologies::Cluster cluster_of(const Options& options, int& per_node) {
    const topologies::Node node = topologies::load_node(options.cluster);
    per_node = options.ranks_per_node > 0 ? options.ranks_per_node : node.gpus;
    if (per_node > node.gpus)
        throw InputError({}, "--ranks-per-node", fmt::format("{} has {} GPUs", node.name, node.gpus));
    return topologies::make_cluster(options.cluster, (options.ranks + per_node - 1) / per_node);
}

void print(const Options& options, const topologies::Cluster& cluster, const sim::GroupPlacement& group,
           const std::string& calibration, const sim::CollectiveCost& cost, double bus) {
    fmt::print("{} of {} bytes over {} ranks on {} ({} node{}, {} a node)\n", options.kind, options.bytes,
               options.ranks, cluster.node.name, group.nodes, group.nodes == 1 ? "" : "s",
               group.most_per_node);
    fmt::print("  time           {:>12.3f} us\n", cost.time_s * 1e6);
    fmt::print("  bus bandwidth  {:>12.2f} GB/s\n", bus * 1e-9);
    fmt::print("  algorithm      {:>12}\n", cost.algorithm.empty() ? "none" : cost.algorithm);
    fmt::print("  protocol       {:>12}\n", cost.protocol.empty() ? "none" : cost.protocol);
    fmt::print("  calibration    {:>12}\n", calibration);
}

int collective(const Options& options) {
    const sim::CollectiveKind kind = sim::parse_collective_kind(options.kind);
    int per_node = 0;
    const topologies::Cluster cluster = cluster_of(options, per_node);
    const std::string name = options.calibration.empty() ? cluster.node.collectives : options.calibration;
    const sim::CollectiveCalibration calibration = sim::load_collectives(name);

    const auto begin = std::chrono::steady_clock::now();
    const auto devices = devices_of(options.ranks, per_node, cluster.node.gpus);
    const auto group = sim::place_group(devices, cluster, options.choice.sharing_groups);
    const auto bytes = static_cast<double>(options.bytes);
    const sim::CollectiveCost cost = sim::price_placed(kind, bytes, group, calibration, options.choice);
    const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    const double bus = sim::bus_bandwidth(kind, bytes, options.ranks, cost.time_s);
    if (!options.json) {
        print(options, cluster, group, name, cost, bus);
        return kDone;
    }
    const double messages = sim::message_count(kind, cost.algorithm, group);
    print_json(
        {{"collective", options.kind},
         {"cluster", cluster.name},
         {"calibration", name},
         {"ranks", options.ranks},
         {"bytes", options.bytes},
         {"algorithm", cost.algorithm},
         {"protocol", cost.protocol},
         {"engine", "replay"},
         {"time_s", cost.time_s},
         {"bus_bandwidth", bus},
         {"messages", static_cast<std::uint64_t>(messages)},
         {"simulation", {{"wall_s", wall_s}, {"messages_per_s", wall_s > 0 ? messages / wall_s : 0}}}});
    return kDone;
}

}  // namespace

Command add_collective(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("collective", "Time of a bare collective on a cluster");
    command
        ->add_option("kind", options->kind,
                     "all-reduce, all-gather, reduce-scatter, all-to-all, send-recv, ...")
        ->required();
    command
        ->add_option(
            "--bytes", options->bytes,
            "Size of the full buffer (64MiB also works): an all-gather's output, what one rank of an "
            "all-to-all sends in all")
        ->required()
        ->transform(CLI::AsSizeValue(false));
    command->add_option("--ranks", options->ranks, "How many GPUs take part")
        ->required()
        ->check(CLI::Range(1, 1 << 20));
    command->add_option("--cluster", options->cluster, "Kind of node: a name in topologies/zoo, or a file")
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
        ->add_option("--algorithm", options->choice.algorithm,
                     "Force: ring, tree, nvls, nvls-tree, pairwise, direct")
        ->type_name("NAME");
    command->add_option("--protocol", options->choice.protocol, "Force: LL, LL128, Simple")
        ->type_name("NAME");
    command->add_option("--calibration", options->calibration, "Collective calibration (default: the node's)")
        ->type_name("NAME");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return collective(*options); }};
}

}  // namespace orrery::cli
