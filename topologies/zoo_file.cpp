// topologies/zoo_file.cpp
//
// Reads the zoo: nodes (zoo/*.yaml), GPUs (zoo/gpus), fabrics (zoo/fabrics). Every figure is written
// {value, source}; the source is a key of the file's `sources`.
#include <cmath>
#include <set>

#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "core/schema.hpp"
#include "topologies/cluster.hpp"
#include "topologies/fabric_names.hpp"
#include "topologies/gpu_file.hpp"

namespace orrery::topologies {
namespace {

constexpr std::string_view kNodes = "topologies/zoo";
constexpr std::string_view kGpus = "topologies/zoo/gpus";
constexpr std::string_view kFabrics = "topologies/zoo/fabrics";

struct Figure {
    double value = 0;
    std::string source;
    yaml::Node written;  ///< where, for messages
};

using Sources = std::map<std::string, std::string>;

/// A required figure whose value is at least (above) `least`.
template <class S, class Access>
schema::Field<S> figure(const char* key, Access access, const char* words, const char* unit, double least = 0,
                        bool above = true) {
    static const schema::Shape shape = schema::shape_from_json(
        R"({"type": "object", "required": ["value", "source"], "additionalProperties": false,
            "properties": {"value": {"type": "number"}, "source": {"type": "string"}}})");
    auto field = schema::Field<S>::custom(
        key, shape,
        [access, least, above](S& s, const yaml::Node& node, const schema::FieldInfo& self,
                               const schema::Scope& scope) {
            using Part = schema::Field<Figure>;
            auto value = Part::number("value", &Figure::value).required();
            above ? value.above(least) : value.at_least(least);
            const schema::Table<Figure> table{
                "figure",
                "A figure and where it comes from.",
                {value, Part::text("source", &Figure::source).required().describe("A key of `sources`.")}};
            Figure& target = std::invoke(access, s);
            schema::read_into(target, table, node, scope.inside(self.key));
            target.written = node;
        });
    return field.describe(words).unit(unit);
}

struct GpuFile {
    std::string name;
    Sources sources;
    Figure memory, memory_bandwidth, multiprocessors, clock, l2;
    std::map<std::string, Figure> peak_flops;
};

struct NodeFile {
    std::string name, gpu, collectives = "ideal", fabric;
    int gpus = 1;
    NodeFabric inside = NodeFabric::none;
    Sources sources;
    std::vector<MeshCable> mesh;
    Figure link_bandwidth, link_latency, pcie_bandwidth, pcie_latency, nics, nic_bandwidth, nic_latency,
        host_memory, host_bandwidth, gpus_per_pcie_switch, pcie_switch_bandwidth, sockets, socket_bandwidth;
};

struct FabricFile {
    std::string name;
    FabricKind kind = FabricKind::fat_tree;
    Routing routing = Routing::adaptive;
    bool twisted = false;
    Sources sources;
    Figure nodes_per_leaf, leaves_per_pod, oversubscription, switch_latency, core_oversubscription,
        spines_per_pod, cores_per_spine, routers_per_group, local_bandwidth, global_cables, global_bandwidth,
        global_latency, dimensions, wraps_from, sites, site_bandwidth, site_latency;
};

const schema::Table<MeshCable>& mesh_table() {
    using Field = schema::Field<MeshCable>;
    static const schema::Table<MeshCable> table{
        "mesh cable",
        "Links between two GPUs of a node.",
        {Field::integer("a", &MeshCable::a).at_least(0).at_most(1023).required(),
         Field::integer("b", &MeshCable::b).at_least(0).at_most(1023).required(),
         Field::integer("links", &MeshCable::links).at_least(1).at_most(64).describe("Side by side.")}};
    return table;
}

const schema::Table<Figure>& peak_table() {
    using Field = schema::Field<Figure>;
    static const schema::Table<Figure> table{
        "peak",
        "A peak rate.",
        {Field::number("value", &Figure::value).above(0).required().unit("FLOP/s"),
         Field::text("source", &Figure::source).required()}};
    return table;
}

const schema::Table<GpuFile>& gpu_table() {
    using Field = schema::Field<GpuFile>;
    static const schema::Table<GpuFile> table{
        "gpu",
        "A GPU as its data sheet describes it.",
        {Field::text("name", &GpuFile::name).required(), Field::map("sources", &GpuFile::sources).required(),
         figure<GpuFile>("memory_bytes", &GpuFile::memory, "Capacity.", "bytes").required(),
         figure<GpuFile>("memory_bandwidth", &GpuFile::memory_bandwidth, "Peak.", "bytes/s").required(),
         figure<GpuFile>("multiprocessors", &GpuFile::multiprocessors, "SMs.", "").required(),
         figure<GpuFile>("clock_hz", &GpuFile::clock, "Boost clock.", "Hz").required(),
         figure<GpuFile>("l2_bytes", &GpuFile::l2, "L2 cache.", "bytes").required(),
         Field::map("peak_flops", &GpuFile::peak_flops, peak_table())
             .required()
             .describe("Dense peak by precision.")}};
    return table;
}

const schema::Table<NodeFile>& node_table() {
    using Field = schema::Field<NodeFile>;
    static const schema::Table<NodeFile> table{
        "node",
        "One kind of node.",
        {Field::text("name", &NodeFile::name).required(),
         Field::text("gpu", &NodeFile::gpu).required().describe("A name in zoo/gpus."),
         Field::integer("gpus", &NodeFile::gpus).at_least(1).at_most(1024).required(),
         Field::choice("fabric_inside", &NodeFile::inside,
                       {{"none", NodeFabric::none},
                        {"nvswitch", NodeFabric::nvswitch},
                        {"nvlink-mesh", NodeFabric::nvlink_mesh},
                        {"pcie", NodeFabric::pcie},
                        {"ici", NodeFabric::ici}})
             .required(),
         Field::text("collectives", &NodeFile::collectives).describe("A name in calibrations/collectives."),
         Field::text("fabric", &NodeFile::fabric).describe("A name in zoo/fabrics."),
         Field::map("sources", &NodeFile::sources).required(),
         figure<NodeFile>("gpu_link_bandwidth", &NodeFile::link_bandwidth, "Of one GPU, each direction.",
                          "bytes/s"),
         figure<NodeFile>("gpu_link_latency_s", &NodeFile::link_latency, "GPU to GPU.", "s", 0, false),
         figure<NodeFile>("pcie_bandwidth", &NodeFile::pcie_bandwidth, "GPU to host, each direction.",
                          "bytes/s")
             .required(),
         figure<NodeFile>("pcie_latency_s", &NodeFile::pcie_latency, "GPU to host.", "s", 0, false)
             .required(),
         figure<NodeFile>("nics", &NodeFile::nics, "NICs for compute.", "", 0, false),
         figure<NodeFile>("nic_bandwidth", &NodeFile::nic_bandwidth, "Each NIC, each direction.", "bytes/s"),
         figure<NodeFile>("nic_latency_s", &NodeFile::nic_latency, "GPU memory to wire, one end.", "s", 0,
                          false),
         Field::list("mesh", &NodeFile::mesh, mesh_table()).describe("nvlink-mesh: which GPUs are joined."),
         figure<NodeFile>("gpus_per_pcie_switch", &NodeFile::gpus_per_pcie_switch, "", "", 1, false),
         figure<NodeFile>("pcie_switch_bandwidth", &NodeFile::pcie_switch_bandwidth,
                          "A PCIe switch to its processor, each direction.", "bytes/s"),
         figure<NodeFile>("sockets", &NodeFile::sockets, "Processors.", "", 1, false),
         figure<NodeFile>("socket_bandwidth", &NodeFile::socket_bandwidth,
                          "Between two processors, each direction.", "bytes/s"),
         figure<NodeFile>("host_memory_bytes", &NodeFile::host_memory, "Capacity.", "bytes").required(),
         figure<NodeFile>("host_memory_bandwidth", &NodeFile::host_bandwidth, "All sockets.", "bytes/s")
             .required()}};
    return table;
}

const schema::Table<FabricFile>& fabric_table() {
    using Field = schema::Field<FabricFile>;
    static const schema::Table<FabricFile> table{
        "fabric",
        "The network between nodes.",
        {Field::text("name", &FabricFile::name).required(),
         Field::choice("kind", &FabricFile::kind, fabric_kinds()),
         Field::choice("routing", &FabricFile::routing, routings()),
         Field::boolean("twisted", &FabricFile::twisted),
         Field::map("sources", &FabricFile::sources).required(),
         figure<FabricFile>("nodes_per_leaf", &FabricFile::nodes_per_leaf, "0: all under one.", "", 0, false),
         figure<FabricFile>("leaves_per_pod", &FabricFile::leaves_per_pod, "0: two levels.", "", 0, false),
         figure<FabricFile>("oversubscription", &FabricFile::oversubscription, "Down over up bandwidth.", "",
                            1, false),
         figure<FabricFile>("core_oversubscription", &FabricFile::core_oversubscription,
                            "Spine down over up.", "", 1, false),
         figure<FabricFile>("spines_per_pod", &FabricFile::spines_per_pod, "", "", 1, false),
         figure<FabricFile>("cores_per_spine", &FabricFile::cores_per_spine, "", "", 1, false),
         figure<FabricFile>("routers_per_group", &FabricFile::routers_per_group, "", "", 1, false),
         figure<FabricFile>("local_bandwidth", &FabricFile::local_bandwidth, "", "bytes/s"),
         figure<FabricFile>("global_cables", &FabricFile::global_cables, "", "", 1, false),
         figure<FabricFile>("global_bandwidth", &FabricFile::global_bandwidth, "", "bytes/s"),
         figure<FabricFile>("global_latency_s", &FabricFile::global_latency, "", "s", 0, false),
         figure<FabricFile>("dimensions", &FabricFile::dimensions, "Of a torus.", "", 1, false),
         figure<FabricFile>("wraps_from", &FabricFile::wraps_from, "", "chips", 0, false),
         figure<FabricFile>("sites", &FabricFile::sites, "", "", 1, false),
         figure<FabricFile>("site_bandwidth", &FabricFile::site_bandwidth, "", "bytes/s"),
         figure<FabricFile>("site_latency_s", &FabricFile::site_latency, "", "s", 0, false),
         figure<FabricFile>("switch_latency_s", &FabricFile::switch_latency, "Each hop.", "s", 0, false)
             .required()}};
    return table;
}

/// Every figure that was written names a source of the file.
class SourceCheck {
  public:
    explicit SourceCheck(const Sources& file_sources) : sources(file_sources) {
        for (const auto& [key, words] : sources) keys.push_back(key);
    }

    void operator()(const Figure& f, const std::string& key) const {
        if (f.source.empty() || sources.contains(f.source)) return;
        throw InputError(f.written.where(), key + ".source", unknown_name("source", f.source, keys));
    }

  private:
    const Sources& sources;
    std::vector<std::string> keys;
};

int whole(const Figure& f, const std::string& key) {
    if (f.value != std::floor(f.value) || f.value > 1e6)
        throw InputError(f.written.where(), key, "expected a whole number up to 1e6");
    return static_cast<int>(f.value);
}

Gpu load_gpu(const std::string& name, const Location& where) {
    const auto path = data_file(kGpus, name, "GPU", where, "gpu");
    const auto file = schema::read(gpu_table(), yaml::read(path));
    const SourceCheck check(file.sources);
    check(file.memory, "memory_bytes");
    check(file.memory_bandwidth, "memory_bandwidth");
    check(file.multiprocessors, "multiprocessors");
    check(file.clock, "clock_hz");
    check(file.l2, "l2_bytes");

    Gpu gpu;
    gpu.name = file.name;
    gpu.memory_bytes = file.memory.value;
    gpu.memory_bandwidth = file.memory_bandwidth.value;
    gpu.multiprocessors = whole(file.multiprocessors, "multiprocessors");
    gpu.clock_hz = file.clock.value;
    gpu.l2_bytes = file.l2.value;
    for (const auto& [precision, peak] : file.peak_flops) {
        Figure located = peak;
        located.written.file = std::make_shared<const std::string>(path.string());
        check(located, "peak_flops." + precision);
        gpu.peak_flops[precision] = peak.value;
    }
    return gpu;
}

void check_sources(const NodeFile& file) {
    const SourceCheck check(file.sources);
    check(file.link_bandwidth, "gpu_link_bandwidth");
    check(file.link_latency, "gpu_link_latency_s");
    check(file.pcie_bandwidth, "pcie_bandwidth");
    check(file.pcie_latency, "pcie_latency_s");
    check(file.nics, "nics");
    check(file.nic_bandwidth, "nic_bandwidth");
    check(file.nic_latency, "nic_latency_s");
    check(file.host_memory, "host_memory_bytes");
    check(file.host_bandwidth, "host_memory_bandwidth");
    check(file.gpus_per_pcie_switch, "gpus_per_pcie_switch");
    check(file.pcie_switch_bandwidth, "pcie_switch_bandwidth");
    check(file.sockets, "sockets");
    check(file.socket_bandwidth, "socket_bandwidth");
}

/// GPUs need links, and NICs a bandwidth and a fabric.
void check_whole(const NodeFile& file, const yaml::Node& written) {
    if (file.gpus > 1 && file.link_bandwidth.value <= 0)
        throw InputError(written.where(), "gpu_link_bandwidth", "required in a node of several GPUs");
    if (file.gpus > 1 && file.inside == NodeFabric::none)
        throw InputError(written.where(), "fabric_inside",
                         "a node of several GPUs needs nvswitch, nvlink-mesh, pcie or ici");
    for (const MeshCable& cable : file.mesh)
        if (cable.a >= file.gpus || cable.b >= file.gpus || cable.a == cable.b)
            throw InputError(written.where(), "mesh",
                             "a cable joins two GPUs of the node, 0 to " + std::to_string(file.gpus - 1));
    if (file.nics.value > 0 && file.nic_bandwidth.value <= 0)
        throw InputError(written.where(), "nic_bandwidth", "required in a node with NICs");
    if (file.nics.value > 0 && file.fabric.empty())
        throw InputError(written.where(), "fabric",
                         "required in a node with NICs: a name in topologies/zoo/fabrics");
}

}  // namespace

Gpu load_gpu(const std::string& name_or_path) {
    return load_gpu(name_or_path, {});
}

std::vector<std::string> gpu_names() {
    return data_names(kGpus);
}

Node load_node(const std::string& name_or_path) {
    const auto path = data_file(kNodes, name_or_path, "node");
    const yaml::Node written = yaml::read(path);
    const auto file = schema::read(node_table(), written);
    check_sources(file);
    check_whole(file, written);

    const yaml::Node* gpu = written.find("gpu");
    Node node;
    node.name = file.name;
    node.gpu = load_gpu(file.gpu, gpu ? gpu->where() : written.where());
    node.gpus = file.gpus;
    node.fabric = file.inside;
    node.gpu_link_bandwidth = file.link_bandwidth.value;
    node.gpu_link_latency_s = file.link_latency.value;
    node.pcie_bandwidth = file.pcie_bandwidth.value;
    node.pcie_latency_s = file.pcie_latency.value;
    node.nics = whole(file.nics, "nics");
    node.nic_bandwidth = file.nic_bandwidth.value;
    node.nic_latency_s = file.nic_latency.value;
    node.host_memory_bytes = file.host_memory.value;
    node.host_memory_bandwidth = file.host_bandwidth.value;
    node.collectives = file.collectives;
    node.fabric_name = file.fabric;
    node.mesh = file.mesh;
    node.gpus_per_pcie_switch = whole(file.gpus_per_pcie_switch, "gpus_per_pcie_switch");
    node.pcie_switch_bandwidth = file.pcie_switch_bandwidth.value;
    if (file.sockets.value > 0) node.sockets = whole(file.sockets, "sockets");
    node.socket_bandwidth = file.socket_bandwidth.value;
    return node;
}

Fabric load_fabric(const std::string& name_or_path) {
    const yaml::Node written = yaml::read(data_file(kFabrics, name_or_path, "fabric"));
    const auto file = schema::read(fabric_table(), written);
    const SourceCheck check(file.sources);
    Fabric fabric;
    // An absent figure leaves what a fabric has by itself.
    const auto number = [&](double& into, const Figure& figure, const char* key) {
        check(figure, key);
        if (!figure.source.empty()) into = figure.value;
    };
    const auto count = [&](int& into, const Figure& figure, const char* key) {
        check(figure, key);
        if (!figure.source.empty()) into = whole(figure, key);
    };
    fabric.name = file.name;
    fabric.kind = file.kind;
    fabric.routing = file.routing;
    fabric.twisted = file.twisted;
    count(fabric.nodes_per_leaf, file.nodes_per_leaf, "nodes_per_leaf");
    count(fabric.leaves_per_pod, file.leaves_per_pod, "leaves_per_pod");
    number(fabric.oversubscription, file.oversubscription, "oversubscription");
    number(fabric.switch_latency_s, file.switch_latency, "switch_latency_s");
    number(fabric.core_oversubscription, file.core_oversubscription, "core_oversubscription");
    count(fabric.spines_per_pod, file.spines_per_pod, "spines_per_pod");
    count(fabric.cores_per_spine, file.cores_per_spine, "cores_per_spine");
    count(fabric.routers_per_group, file.routers_per_group, "routers_per_group");
    number(fabric.local_bandwidth, file.local_bandwidth, "local_bandwidth");
    count(fabric.global_cables, file.global_cables, "global_cables");
    number(fabric.global_bandwidth, file.global_bandwidth, "global_bandwidth");
    number(fabric.global_latency_s, file.global_latency, "global_latency_s");
    count(fabric.dimensions, file.dimensions, "dimensions");
    count(fabric.wraps_from, file.wraps_from, "wraps_from");
    count(fabric.sites, file.sites, "sites");
    number(fabric.site_bandwidth, file.site_bandwidth, "site_bandwidth");
    number(fabric.site_latency_s, file.site_latency, "site_latency_s");
    if (fabric.kind == FabricKind::torus && (fabric.dimensions < 1 || fabric.dimensions > 3))
        throw InputError(written.where(), "dimensions", "expected 1, 2 or 3");
    return fabric;
}

Cluster make_cluster(const std::string& node_name, int nodes) {
    if (nodes < 1 || nodes > 1'000'000)
        throw InputError({}, "cluster.nodes", "expected 1 to 1000000 nodes, not " + std::to_string(nodes));
    Cluster cluster;
    cluster.node = load_node(node_name);
    cluster.nodes = nodes;
    if (!cluster.node.fabric_name.empty()) cluster.fabric = load_fabric(cluster.node.fabric_name);
    if (nodes > 1 && cluster.node.nics == 0 && cluster.fabric.kind != FabricKind::torus)
        throw InputError({}, "cluster.nodes", "node " + cluster.node.name + " has no NICs: at most 1 node");
    cluster.name = cluster.node.name + (nodes > 1 ? " x " + std::to_string(nodes) : "");
    return cluster;
}

std::vector<std::string> node_names() {
    return data_names(kNodes);
}
std::vector<std::string> fabric_names() {
    return data_names(kFabrics);
}

}  // namespace orrery::topologies
