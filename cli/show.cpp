// orrery show cluster NAME: what a cluster is made of, and what its links give.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "topologies/bisection.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/cluster.hpp"
#include "topologies/fabric_names.hpp"
#include "topologies/picture.hpp"
#include "topologies/zoo_clusters.hpp"

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
        case topologies::NodeFabric::ici:
            return "ICI";
    }
    return "?";
}

void line(const char* what, const std::string& value) {
    fmt::print("  {:<18} {}\n", what, value);
}

/// Words in lines of 80 columns.
void print_wrapped(const std::string& text, const std::string& indent) {
    constexpr std::size_t columns = 80;
    std::string line_text = indent;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (line_text.size() > indent.size() && line_text.size() + 1 + word.size() > columns) {
            fmt::print("{}\n", line_text);
            line_text = indent;
        }
        if (line_text.size() > indent.size()) line_text += ' ';
        line_text += word;
    }
    fmt::print("{}\n", line_text);
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

std::string rate(double bytes_per_s) {
    return bytes_per_s >= 1e12 ? fmt::format("{:.4g} TB/s", bytes_per_s * 1e-12)
                               : fmt::format("{:.4g} GB/s", bytes_per_s * 1e-9);
}

std::string several(std::size_t count, const std::string& word) {
    return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

/// How many vertices and cables there are of each sort.
void show_parts(const topologies::Graph& graph) {
    std::map<topologies::VertexKind, std::size_t> vertices;
    for (topologies::VertexId v = 0; v < graph.vertices(); ++v) ++vertices[graph.kind(v)];
    const char* what = "switches";
    for (const auto& [kind, count] : vertices) {
        if (kind == topologies::VertexKind::device || kind == topologies::VertexKind::host) continue;
        line(what, fmt::format("{:>7} {}", count, topologies::to_string(kind)));
        what = "";
    }
    std::map<std::pair<topologies::Tier, double>, std::size_t> cables;
    for (topologies::LinkId link = 0; link < graph.links(); link += 2)
        ++cables[{graph.tier(link), graph.bandwidth(link)}];
    what = "cables";
    for (const auto& [sort, count] : cables) {
        line(what, fmt::format("{:>7} {:<7} {} each direction", count, topologies::to_string(sort.first),
                               rate(sort.second)));
        what = "";
    }
}

void show_fabric(const Cluster& cluster, const topologies::Graph& graph) {
    const topologies::Fabric& fabric = cluster.fabric;
    if (cluster.nodes > 1) {
        fmt::print("fabric {}, {}, {} routing\n", fabric.name, topologies::to_string(fabric.kind),
                   topologies::to_string(fabric.routing));
    } else {
        fmt::print("links\n");
    }
    if (fabric.kind == topologies::FabricKind::torus) {
        const auto shape = topologies::torus_shape(fabric, graph.devices());
        line("shape",
             fmt::format("{} x {} x {}{}", shape[0], shape[1], shape[2], fabric.twisted ? ", twisted" : ""));
    } else if (cluster.nodes > 1) {
        line("nodes a leaf", fabric.nodes_per_leaf > 0 ? std::to_string(fabric.nodes_per_leaf) : "all");
        line("leaves a pod", fabric.leaves_per_pod > 0 ? std::to_string(fabric.leaves_per_pod) : "all");
        line("oversubscription", fmt::format("{:g} : 1 at the leaf, {:g} : 1 at the spine",
                                             fabric.oversubscription, fabric.core_oversubscription));
        if (fabric.sites > 1)
            line("sites", fmt::format("{}, {} and {:g} ms apart", fabric.sites, rate(fabric.site_bandwidth),
                                      fabric.site_latency_s * 1e3));
    }
    show_parts(graph);
    if (graph.devices() > 1)
        line("bisection", rate(topologies::bisection_bandwidth(cluster, graph)) + " each direction");
}

/// The ways of the first flows between two devices.
void show_routes(const topologies::Graph& graph, std::uint32_t from, std::uint32_t to) {
    constexpr std::uint32_t flows = 64;
    std::set<topologies::Way> ways;
    topologies::Way way;
    for (std::uint32_t channel = 0; channel < flows; ++channel) {
        graph.route(from, to, topologies::flow_of(from, to, channel), way);
        ways.insert(way);
    }
    graph.route(from, to, topologies::flow_of(from, to), way);
    double least = std::numeric_limits<double>::infinity();
    for (const topologies::LinkId link : way) least = std::min(least, graph.bandwidth(link));
    fmt::print("\n{} to {}: {}, {:.2f} us, {}\n", graph.vertex_name(from), graph.vertex_name(to),
               several(way.size(), "link"), graph.latency_s(way) * 1e6,
               way.empty() ? "nothing to pass" : rate(least));
    for (const topologies::LinkId link : way)
        line("", fmt::format("{:<36} {:<7} {}", graph.link_name(link),
                             topologies::to_string(graph.tier(link)), rate(graph.bandwidth(link))));
    if (ways.size() > 1)
        fmt::print("  one of {} ways that {} flows between the two take\n", ways.size(), flows);
}

struct Options {
    std::string kind;
    std::string name;
    std::optional<int> nodes;
    std::string fabric;
    std::vector<std::uint32_t> route;
    std::string svg;
};

void show_calibration(const Cluster& cluster) {
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
}

int show(const Options& options) {
    if (options.kind != "cluster")
        throw InputError({}, "", unknown_name("kind", options.kind, std::vector<std::string>{"cluster"}));
    Cluster cluster = topologies::find_cluster(options.name, options.nodes);
    if (!options.fabric.empty()) cluster.fabric = topologies::load_fabric(options.fabric);
    topologies::check_cluster(cluster, {}, "cluster");
    const topologies::Graph graph = topologies::build_graph(cluster);
    for (const std::uint32_t device : options.route)
        if (device >= graph.devices())
            throw InputError(
                {}, "--route",
                fmt::format("rank {}: {} has the ranks 0 to {}", device, cluster.name, graph.devices() - 1));
    if (topologies::names_a_cluster(options.name)) {
        const topologies::ZooCluster file = topologies::load_zoo_cluster(options.name);
        print_wrapped(file.summary, "");
        print_wrapped(file.source, "  ");
        fmt::print("\n");
    }
    fmt::print("{}: {}, {}\n\n", cluster.name, several(static_cast<std::size_t>(cluster.nodes), "node"),
               several(graph.devices(), "GPU"));
    show_node(cluster.node);
    fmt::print("\n");
    show_gpu(cluster.node.gpu);
    fmt::print("\n");
    show_fabric(cluster, graph);
    show_calibration(cluster);
    topologies::Way way;
    if (!options.route.empty()) {
        show_routes(graph, options.route[0], options.route[1]);
        graph.route(options.route[0], options.route[1],
                    topologies::flow_of(options.route[0], options.route[1]), way);
    }
    if (!options.svg.empty()) {
        write_file_atomically(options.svg, topologies::cluster_svg(cluster, graph, way));
        fmt::print("\npicture: {}\n", options.svg);
    }
    return kDone;
}

}  // namespace

Command add_show(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("show", "What a cluster is made of");
    command->add_option("kind", options->kind, "cluster")->required();
    command
        ->add_option("name", options->name,
                     "A node of topologies/zoo, a cluster of topologies/zoo/clusters, or a file")
        ->required();
    command->add_option("--nodes", options->nodes, "How many nodes (default: the cluster's, or 1)")
        ->check(CLI::Range(1, 1 << 17));
    command->add_option("--fabric", options->fabric, "A name in topologies/zoo/fabrics (default: its own)");
    command->add_option("--route", options->route, "The ways between two ranks: A B")->expected(2);
    command->add_option("--svg", options->svg, "Draw it into this file")->type_name("FILE");
    return {command, [options] { return show(*options); }};
}

}  // namespace orrery::cli
