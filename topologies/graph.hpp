// topologies/graph.hpp
//
// What a cluster is wired of, at every level: devices (GPUs, chips), the switches inside their nodes, network
// cards, leaf, spine and core switches, joined by cables. A cable is two links, one each direction; link 2c
// leads from the cable's `a` to its `b`, link 2c + 1 back. Vertices 0 .. devices-1 are the devices, numbered
// as everywhere else (global device numbers).
//
// Routes are not stored: the builder of a topology gives a `Router` that computes the links between two
// devices from their numbers (topologies/builders/). A graph of 16,384 GPUs is a few megabytes. Where several
// ways are equally short, the flow's number chooses between them (topologies/cluster.hpp, `Routing`).
//
// Units: bytes/s, seconds. Safe to read from several threads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::topologies {

using VertexId = std::uint32_t;
using LinkId = std::uint32_t;
using Way = std::vector<LinkId>;  ///< links in the order they are passed

/// Which level of the machine a link belongs to: what "bytes by tier" counts by.
enum class Tier : std::uint8_t {
    nvlink,  ///< GPU to GPU, or to its NVSwitch
    xgmi,    ///< AMD's, and between processor sockets
    pcie,    ///< GPU, network card, host
    ici,     ///< chip to chip of a torus
    nic,     ///< network card to its switch
    leaf,    ///< leaf to spine
    spine,   ///< spine to core
    local,   ///< inside a dragonfly's group
    global,  ///< between its groups
    wan,     ///< between sites
};
inline constexpr std::size_t kTiers = 10;
std::string_view to_string(Tier tier);

enum class VertexKind : std::uint8_t {
    device,
    node_switch,
    pcie_switch,
    host,
    leaf,
    spine,
    core,
    router,
    border
};
std::string_view to_string(VertexKind kind);

/// Computes ways. One class a topology.
class Router {
  public:
    virtual ~Router() = default;
    /// Appends the links from one device to another, different one, both of the graph. `flow` chooses among
    /// equally short ways. Throws ExperimentError when no way joins them.
    virtual void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const = 0;
    /// Appends the links between a device and its node's host memory; nothing where the topology has no host.
    virtual void host_route(std::uint32_t device, bool to_host, Way& way) const;
};

/// A spreading of 64 bits (splitmix64; Steele, Lea, Flood 2014): what stands for a switch's hash.
std::uint64_t spread(std::uint64_t value);
/// The flow number of a message where nobody gives one: from the pair and the channel it goes over.
std::uint64_t flow_of(std::uint32_t from, std::uint32_t to, std::uint32_t channel = 0);

class Graph {
  public:
    [[nodiscard]] std::uint32_t devices() const { return device_count; }
    [[nodiscard]] std::uint32_t vertices() const { return vertex_count; }
    [[nodiscard]] std::uint32_t links() const { return static_cast<std::uint32_t>(bandwidths.size()); }

    [[nodiscard]] double bandwidth(LinkId link) const { return bandwidths[link]; }
    [[nodiscard]] double latency_s(LinkId link) const { return latencies[link / 2]; }
    [[nodiscard]] Tier tier(LinkId link) const { return tiers[link / 2]; }
    [[nodiscard]] VertexId from(LinkId link) const { return ends[link]; }
    [[nodiscard]] VertexId to(LinkId link) const { return ends[link ^ 1U]; }

    [[nodiscard]] VertexKind kind(VertexId vertex) const;
    [[nodiscard]] std::string vertex_name(VertexId vertex) const;  ///< "gpu 3", "leaf 0"
    /// "gpu 3 out", "leaf 0 in": the cable's name and the direction, seen from the end nearer to the devices.
    [[nodiscard]] std::string link_name(LinkId link) const;
    /// The first link of the cable of that name ("gpu 3", "leaf 0"); its other direction is that + 1.
    [[nodiscard]] std::optional<LinkId> find_cable(std::string_view name) const;
    /// Names of some cables, a few of each sort: for messages.
    [[nodiscard]] std::vector<std::string> sample_cable_names() const;

    /// Fills `way` with the links from one device to another; empty from a device to itself. Allocates
    /// nothing once `way` has room. Throws ExperimentError when there is no such device or no way.
    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const;
    /// The same between a device and its host.
    void host_route(std::uint32_t device, bool to_host, Way& way) const;

    /// Time for a first byte over the links.
    [[nodiscard]] double latency_s(std::span<const LinkId> way) const;

  private:
    friend class GraphWriter;
    struct Block {  ///< vertices or cables of one sort, numbered through
        std::uint32_t first = 0;
        std::uint32_t count = 0;
        VertexKind kind = VertexKind::device;
        std::function<std::string(std::uint32_t)> name;  ///< of the i-th
    };

    std::string title;
    std::uint32_t device_count = 0;
    std::uint32_t vertex_count = 0;
    std::vector<double> bandwidths;  ///< [link]
    std::vector<double> latencies;   ///< [cable]
    std::vector<Tier> tiers;         ///< [cable]
    std::vector<VertexId> ends;      ///< [link] where it begins
    std::vector<Block> vertex_blocks;
    std::vector<Block> cable_blocks;
    std::shared_ptr<const Router> router;
};

/// What a cable is like.
struct Cable {
    double bandwidth = 0;  ///< each direction
    double latency_s = 0;
    Tier tier = Tier::nvlink;
};

/// How a builder makes a graph: vertices and cables in blocks of one sort.
class GraphWriter {
  public:
    using Name = std::function<std::string(std::uint32_t)>;

    /// The devices, which must come first.
    GraphWriter(std::string title, std::uint32_t devices, const Name& name);

    /// Adds vertices of one kind; returns the first.
    VertexId add_vertices(VertexKind kind, std::uint32_t count, Name name);
    /// Announces cables of one sort, which `connect` then adds; the name counts from 0.
    void begin_cables(Name name);
    /// Adds a cable; returns its link from a to b (the link back is that + 1).
    LinkId connect(VertexId a, VertexId b, const Cable& cable);
    /// The same with another bandwidth from b to a.
    LinkId connect(VertexId a, VertexId b, const Cable& cable, double bandwidth_back);
    /// Multiplies both directions of a cable.
    void scale(LinkId link, double factor);

    [[nodiscard]] const Graph& graph() const { return made; }
    Graph finish(std::shared_ptr<const Router> router);

  private:
    Graph made;
};

/// "leaf {} spine {}" with the index taken apart by the sizes of the inner dimensions: `numbered("leaf {}
/// spine {}", {4})` names index 9 "leaf 2 spine 1".
GraphWriter::Name numbered(std::string pattern, std::vector<std::uint32_t> inner = {},
                           std::uint32_t first = 0);

}  // namespace orrery::topologies
