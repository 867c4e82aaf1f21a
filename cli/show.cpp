// orrery show cluster NAME: what a cluster is made of, and what its links give.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "topologies/cluster.hpp"
#include "topologies/fabric.hpp"

namespace orrery::cli {
namespace {

using topologies::Cluster;

std::string fabric_word(topologies::NodeFabric fabric) {
    switch (fabric) {
        case topologies::NodeFabric::none:
            return "no links between GPUs";
        case topologies::NodeFabric::nvswitch:
            return "NVSwitch";
        case topologies::NodeFabric::nvlink_mesh:
            return "NVLink mesh";
        case topologies::NodeFabric::pcie:
            return "PCIe";
    }
    return "?";
}

void line(const char* what, const std::string& value) {
    fmt::print("  {:<18} {}\n", what, value);
}

void show_gpu(const topologies::Gpu& gpu) {
    fmt::print("GPU {}\n", gpu.name);
    line("memory",
         fmt::format("{:.0f} GiB at {:.0f} GB/s", gpu.memory_bytes / (1 << 30), gpu.memory_bandwidth * 1e-9));
    line("multiprocessors", fmt::format("{} at {:.0f} MHz, L2 {:.0f} MiB", gpu.multiprocessors,
                                        gpu.clock_hz * 1e-6, gpu.l2_bytes / (1 << 20)));
    const char* what = "peak TFLOP/s";
    for (const auto& [precision, peak] : gpu.peak_flops) {
        line(what, fmt::format("{:<5} {:>6.0f}", precision, peak * 1e-12));
        what = "";
    }
}

void show_node(const topologies::Node& node) {
    fmt::print("node {}\n", node.name);
    line("GPUs", fmt::format("{} x {}", node.gpus, node.gpu.name));
    line("inside",
         node.gpu_link_bandwidth > 0
             ? fmt::format("{}, {:.0f} GB/s a GPU and direction, {:.2f} us", fabric_word(node.fabric),
                           node.gpu_link_bandwidth * 1e-9, node.gpu_link_latency_s * 1e6)
             : fabric_word(node.fabric));
    line("PCIe", fmt::format("{:.1f} GB/s a GPU and direction", node.pcie_bandwidth * 1e-9));
    if (node.nics > 0)
        line("NICs", fmt::format("{} x {:.0f} Gbit/s, {:.2f} us an end", node.nics, node.nic_bandwidth * 8e-9,
                                 node.nic_latency_s * 1e6));
    line("host memory", fmt::format("{:.0f} GB at {:.0f} GB/s", node.host_memory_bytes * 1e-9,
                                    node.host_memory_bandwidth * 1e-9));
    line("collectives", node.collectives);
}

/// Bandwidth between two halves of the cluster, split at a leaf where there are several.
double bisection_bandwidth(const Cluster& cluster) {
    const int nodes = cluster.nodes / 2;  // of an odd number, the smaller part
    const double half = nodes * cluster.node.nics * cluster.node.nic_bandwidth;
    const bool one_leaf =
        cluster.fabric.nodes_per_leaf == 0 || cluster.nodes <= cluster.fabric.nodes_per_leaf;
    return one_leaf ? half : half / cluster.fabric.oversubscription;
}

void show_fabric(const Cluster& cluster) {
    const topologies::Fabric& fabric = cluster.fabric;
    fmt::print("fabric {}, {} nodes, {} GPUs\n", fabric.name, cluster.nodes, cluster.devices());
    line("nodes a leaf", fabric.nodes_per_leaf > 0 ? std::to_string(fabric.nodes_per_leaf) : "all");
    line("leaves a pod", fabric.leaves_per_pod > 0 ? std::to_string(fabric.leaves_per_pod) : "all");
    line("oversubscription", fmt::format("{:g} : 1", fabric.oversubscription));
    line("bisection", fmt::format("{:.0f} GB/s each direction", bisection_bandwidth(cluster) * 1e-9));
    const auto last = static_cast<std::uint32_t>((cluster.nodes - 1) * cluster.node.gpus);
    line("first to last",
         fmt::format("{} switches, {:.2f} us", topologies::switch_hops(fabric, 0, cluster.nodes - 1),
                     topologies::path_latency_s(cluster, 0, last) * 1e6));
}

int show(const std::string& kind, const std::string& name, int nodes) {
    if (kind != "cluster")
        throw InputError({}, "", unknown_name("kind", kind, std::vector<std::string>{"cluster"}));
    const Cluster cluster = topologies::make_cluster(name, nodes);
    show_node(cluster.node);
    fmt::print("\n");
    show_gpu(cluster.node.gpu);
    if (nodes > 1) {
        fmt::print("\n");
        show_fabric(cluster);
    }
    const auto calibration = sim::load_collectives(cluster.node.collectives);
    fmt::print("\ncollective calibration {}\n", calibration.name);
    line("of the links",
         fmt::format("{:.1f} % inside a node, {:.1f} % between nodes", calibration.link_efficiency * 100,
                     calibration.network_efficiency * 100));
    for (const auto& row : calibration.residuals)
        if (row.held_out && row.what.starts_with("all, "))
            line("held-out error",
                 fmt::format("median {:.1f} %, p90 {:.1f} %, {} samples {}", row.median_error * 100,
                             row.p90_error * 100, row.samples, row.what.substr(5)));
    return kDone;
}

}  // namespace

Command add_show(CLI::App& app) {
    struct Options {
        std::string kind;
        std::string name;
        int nodes = 1;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("show", "What a cluster is made of");
    command->add_option("kind", options->kind, "cluster")->required();
    command->add_option("name", options->name, "A name in topologies/zoo, or a file")->required();
    command->add_option("--nodes", options->nodes, "How many nodes")->check(CLI::Range(1, 1 << 20));
    return {command, [options] { return show(options->kind, options->name, options->nodes); }};
}

}  // namespace orrery::cli
