#include "topologies/builders/clos.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace orrery::topologies {
namespace {

std::uint32_t divided_up(std::uint32_t a, std::uint32_t b) {
    return (a + b - 1) / b;
}

/// How many of everything there are.
struct Shape {
    std::uint32_t sites = 1;
    std::uint32_t site_nodes = 1;   ///< nodes of a site
    std::uint32_t unit_nodes = 1;   ///< nodes under one leaf set
    std::uint32_t site_units = 1;   ///< units of a site
    std::uint32_t unit_leaves = 1;  ///< leaves of a unit
    std::uint32_t planes = 1;       ///< sets of spines that do not meet
    std::uint32_t pod_units = 1;
    std::uint32_t site_pods = 1;
    std::uint32_t spines = 0;  ///< of a pod and plane; 0: one leaf needs none
    std::uint32_t cores = 0;   ///< above a spine; 0: one pod needs none

    [[nodiscard]] std::uint32_t units() const { return sites * site_units; }
    [[nodiscard]] std::uint32_t leaves() const { return units() * unit_leaves; }
    [[nodiscard]] std::uint32_t pods() const { return sites * site_pods; }
};

/// Where a port hangs.
struct Place {
    std::uint32_t site = 0;
    std::uint32_t pod = 0;  ///< numbered over all sites
    std::uint32_t plane = 0;
    std::uint32_t leaf = 0;
};

class Clos : public BetweenNodes {
  public:
    Clos(GraphWriter& writer, const Ports& all, const Fabric& description, Rails how)
        : ports(all), fabric(description), rails(how) {
        measure();
        add_switches(writer);
        add_ports(writer);
        add_leaf_cables(writer);
        add_spine_cables(writer);
        add_site_cables(writer);
    }

    [[nodiscard]] bool joins(std::uint32_t a, std::uint32_t b) const override {
        return rails != Rails::separate || a == b;
    }

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        const Place a = place(from);
        const Place b = place(to);
        way.push_back(port_link(from));
        if (a.leaf != b.leaf) {
            if (a.plane != b.plane)
                throw ExperimentError(fmt::format("fabric {} joins rails {} and {} nowhere", fabric.name,
                                                  ports.rail[from], ports.rail[to]));
            // Up by one choice, and down by the same: spine s leads to spine s of the other pod.
            const std::uint32_t s = choose(shape.spines, flow, 1, to);
            const std::uint32_t c = choose(shape.cores, flow, 2, to / std::max(1U, shape.spines));
            if (a.site != b.site) {
                cross_sites(a, b, s, c, way);
            } else {
                way.push_back(leaf_link(a.leaf, s));
                if (a.pod != b.pod) way.insert(way.end(), {spine_link(a, s, c), spine_link(b, s, c) + 1});
                way.push_back(leaf_link(b.leaf, s) + 1);
            }
        }
        way.push_back(port_link(to) + 1);
    }

  private:
    void measure() {
        const std::uint32_t nodes = std::max(1U, ports.nodes);
        shape.sites = std::max(1, fabric.sites);
        shape.site_nodes = divided_up(nodes, shape.sites);
        shape.unit_nodes =
            fabric.nodes_per_leaf > 0 ? static_cast<std::uint32_t>(fabric.nodes_per_leaf) : shape.site_nodes;
        shape.site_units = divided_up(shape.site_nodes, shape.unit_nodes);
        shape.unit_leaves = rails == Rails::joined_at_leaf ? 1 : std::max(1U, ports.rails);
        shape.planes = rails == Rails::separate ? std::max(1U, ports.rails) : 1;
        shape.pod_units =
            fabric.leaves_per_pod > 0 ? static_cast<std::uint32_t>(fabric.leaves_per_pod) : shape.site_units;
        shape.site_pods = divided_up(shape.site_units, shape.pod_units);

        const bool one_leaf = shape.site_units == 1 && shape.unit_leaves / shape.planes == 1;
        measure_leaves();
        const double up = leaf_down[0] / fabric.oversubscription;
        const double cable = ports.bandwidth.empty() ? 0 : ports.bandwidth[0];
        const auto cables = [cable](double bandwidth) {
            return static_cast<std::uint32_t>(std::clamp(std::round(bandwidth / cable), 1.0, 4096.0));
        };
        const bool one_way = fabric.routing == Routing::adaptive;
        if (!one_leaf)
            shape.spines = one_way                     ? 1
                           : fabric.spines_per_pod > 0 ? static_cast<std::uint32_t>(fabric.spines_per_pod)
                                                       : cables(up);
        if (shape.site_pods > 1)
            shape.cores = one_way                      ? 1
                          : fabric.cores_per_spine > 0 ? static_cast<std::uint32_t>(fabric.cores_per_spine)
                                                       : cables(spine_up(0, 0));
    }

    /// A leaf has ports for all nodes of a unit; what a unit lacks is taken to be like what it has.
    void measure_leaves() {
        leaf_down.assign(shape.leaves(), 0);
        std::vector<std::uint32_t> nodes(shape.units(), 0);
        for (std::size_t p = 0; p < ports.node.size(); ++p) {
            leaf_down[place(static_cast<std::uint32_t>(p)).leaf] += ports.bandwidth[p];
            if (p == 0 || ports.node[p] != ports.node[p - 1]) ++nodes[unit_of(ports.node[p])];
        }
        for (std::uint32_t l = 0; l < shape.leaves(); ++l) {
            const std::uint32_t here = nodes[l / shape.unit_leaves];
            if (here > 0 && here < shape.unit_nodes) leaf_down[l] *= double(shape.unit_nodes) / here;
            if (here == 0) leaf_down[l] = leaf_down[l % shape.unit_leaves];  // no node has come yet
        }
    }

    /// Numbered over all sites.
    [[nodiscard]] std::uint32_t unit_of(std::uint32_t node) const {
        return node / shape.site_nodes * shape.site_units + node % shape.site_nodes / shape.unit_nodes;
    }

    [[nodiscard]] std::uint32_t leaf_in_unit(std::uint32_t rail) const {
        return shape.unit_leaves == 1 ? 0 : rail;
    }

    [[nodiscard]] Place place(std::uint32_t port) const {
        const std::uint32_t node = ports.node[port];
        Place at;
        at.site = node / shape.site_nodes;
        const std::uint32_t unit = node % shape.site_nodes / shape.unit_nodes;
        at.pod = at.site * shape.site_pods + unit / shape.pod_units;
        at.plane = shape.planes == 1 ? 0 : ports.rail[port];
        at.leaf = (at.site * shape.site_units + unit) * shape.unit_leaves + leaf_in_unit(ports.rail[port]);
        return at;
    }

    [[nodiscard]] std::uint32_t choose(std::uint32_t choices, std::uint64_t flow, std::uint64_t level,
                                       std::uint32_t destination) const {
        if (choices < 2) return 0;
        if (fabric.routing == Routing::fixed) return destination % choices;
        return static_cast<std::uint32_t>(spread(flow + level) % choices);
    }

    /// Bandwidth of a spine towards the cores. A pod has room for all of its units, as a leaf for its nodes.
    [[nodiscard]] double spine_up(std::uint32_t pod, std::uint32_t plane) const {
        const std::uint32_t in_site = pod % shape.site_pods * shape.pod_units;
        const std::uint32_t first = pod / shape.site_pods * shape.site_units + in_site;
        const std::uint32_t units = std::min(shape.pod_units, shape.site_units - in_site);
        double below = 0;
        for (std::uint32_t l = first * shape.unit_leaves; l < (first + units) * shape.unit_leaves; ++l)
            if (shape.planes == 1 || l % shape.unit_leaves == plane)
                below += leaf_down[l] / fabric.oversubscription;
        if (units < shape.pod_units) below *= double(shape.pod_units) / units;
        return below / shape.spines / fabric.core_oversubscription;
    }

    void add_switches(GraphWriter& writer) {
        first_leaf = writer.add_vertices(
            VertexKind::leaf, shape.leaves(),
            shape.unit_leaves == 1 ? numbered("leaf {}") : numbered("unit {} rail {}", {shape.unit_leaves}));
        if (shape.spines > 0)
            first_spine = writer.add_vertices(VertexKind::spine, shape.pods() * shape.planes * shape.spines,
                                              spine_name("pod {}"));
        if (shape.cores > 0)
            first_core = writer.add_vertices(
                VertexKind::core, shape.sites * shape.planes * shape.spines * shape.cores, core_name());
        if (shape.sites > 1)
            first_border = writer.add_vertices(VertexKind::border, shape.sites, numbered("site {}"));
    }

    /// "pod 3", with the plane and the spine where there are several.
    [[nodiscard]] GraphWriter::Name spine_name(std::string text) const {
        std::vector<std::uint32_t> inner;
        if (shape.planes > 1) {
            text += " rail {}";
            inner.push_back(shape.planes);
        }
        if (shape.spines > 1) {
            text += " spine {}";
            inner.push_back(shape.spines);
        }
        return numbered(text, inner);
    }

    /// "core 3.1": the first core above the spines 3, with site and rail where there are several.
    [[nodiscard]] GraphWriter::Name core_name() const {
        return [inside = shape](std::uint32_t index) {
            const std::uint32_t spine = index / inside.cores % inside.spines;
            const std::uint32_t plane = index / inside.cores / inside.spines % inside.planes;
            std::string name;
            if (inside.sites > 1)
                name += fmt::format("site {} ", index / inside.cores / inside.spines / inside.planes);
            if (inside.planes > 1) name += fmt::format("rail {} ", plane);
            return name + fmt::format("core {}.{}", spine, index % inside.cores);
        };
    }

    void add_ports(GraphWriter& writer) {
        writer.begin_cables([node = ports.node, rail = ports.rail](std::uint32_t port) {
            return fmt::format("node {} nic {}", node[port], rail[port]);
        });
        first_port_link = writer.graph().links();
        for (std::uint32_t p = 0; p < ports.node.size(); ++p)
            writer.connect(ports.vertex[p], first_leaf + place(p).leaf,
                           {ports.bandwidth[p], ports.latency_s[p] + fabric.switch_latency_s / 2, Tier::nic});
    }

    void add_leaf_cables(GraphWriter& writer) {
        if (shape.spines == 0) return;
        std::string text = shape.unit_leaves == 1 ? "leaf {}" : "unit {} rail {}";
        std::vector<std::uint32_t> inner;
        if (shape.unit_leaves > 1) inner.push_back(shape.unit_leaves);
        if (shape.spines > 1) {
            text += " spine {}";
            inner.push_back(shape.spines);
        }
        writer.begin_cables(numbered(text, inner));
        first_leaf_link = writer.graph().links();
        for (std::uint32_t l = 0; l < shape.leaves(); ++l) {
            const std::uint32_t in_unit = l % shape.unit_leaves;
            const std::uint32_t unit = l / shape.unit_leaves;
            const std::uint32_t pod =
                unit / shape.site_units * shape.site_pods + unit % shape.site_units / shape.pod_units;
            const std::uint32_t plane = shape.planes == 1 ? 0 : in_unit;
            const double up = leaf_down[l] / fabric.oversubscription / shape.spines;
            for (std::uint32_t s = 0; s < shape.spines; ++s)
                writer.connect(first_leaf + l, first_spine + (pod * shape.planes + plane) * shape.spines + s,
                               {up, fabric.switch_latency_s, Tier::leaf});
        }
    }

    void add_spine_cables(GraphWriter& writer) {
        if (shape.cores == 0) return;
        std::string text = "pod {}";
        std::vector<std::uint32_t> inner;
        for (const auto& [word, count] :
             {std::pair{" rail {}", shape.planes}, std::pair{" spine {}", shape.spines},
              std::pair{" core {}", shape.cores}}) {
            if (count < 2) continue;
            text += word;
            inner.push_back(count);
        }
        writer.begin_cables(numbered(text, inner));
        first_spine_link = writer.graph().links();
        for (std::uint32_t pod = 0; pod < shape.pods(); ++pod)
            for (std::uint32_t plane = 0; plane < shape.planes; ++plane)
                for (std::uint32_t s = 0; s < shape.spines; ++s)
                    for (std::uint32_t c = 0; c < shape.cores; ++c)
                        writer.connect(
                            spine(pod, plane, s), core(pod / shape.site_pods, plane, s, c),
                            {spine_up(pod, plane) / shape.cores, fabric.switch_latency_s, Tier::spine});
    }

    /// The highest switches of a site to its border, and the borders to each other.
    void add_site_cables(GraphWriter& writer) {
        if (shape.sites < 2) return;
        const Cable inside{fabric.site_bandwidth, fabric.switch_latency_s, Tier::wan};
        tops = shape.cores > 0    ? shape.planes * shape.spines * shape.cores
               : shape.spines > 0 ? shape.planes * shape.spines
                                  : shape.unit_leaves;
        const VertexId first = shape.cores > 0 ? first_core : shape.spines > 0 ? first_spine : first_leaf;
        writer.begin_cables(numbered("site {} border {}", {tops}));
        first_border_link = writer.graph().links();
        for (std::uint32_t i = 0; i < shape.sites * tops; ++i)
            writer.connect(first + i, first_border + i / tops, inside);
        writer.begin_cables([sites = shape.sites](std::uint32_t index) {
            std::uint32_t a = 0;
            for (; index >= sites - 1 - a; ++a) index -= sites - 1 - a;
            return fmt::format("site {} site {}", a, a + 1 + index);
        });
        first_site_link = writer.graph().links();
        for (std::uint32_t a = 0; a < shape.sites; ++a)
            for (std::uint32_t b = a + 1; b < shape.sites; ++b)
                writer.connect(first_border + a, first_border + b,
                               {fabric.site_bandwidth, fabric.site_latency_s, Tier::wan});
    }

    void cross_sites(const Place& a, const Place& b, std::uint32_t s, std::uint32_t c, Way& way) const {
        if (shape.spines > 0) way.push_back(leaf_link(a.leaf, s));
        if (shape.cores > 0) way.push_back(spine_link(a, s, c));
        way.push_back(border_link(a, s, c));
        const auto [low, high] = std::minmax(a.site, b.site);
        const std::uint32_t cable = low * shape.sites - low * (low + 1) / 2 + (high - low - 1);
        way.push_back(first_site_link + 2 * cable + (a.site < b.site ? 0 : 1));
        way.push_back(border_link(b, s, c) + 1);
        if (shape.cores > 0) way.push_back(spine_link(b, s, c) + 1);
        if (shape.spines > 0) way.push_back(leaf_link(b.leaf, s) + 1);
    }

    [[nodiscard]] LinkId border_link(const Place& at, std::uint32_t s, std::uint32_t c) const {
        const std::uint32_t top = shape.cores > 0    ? (at.plane * shape.spines + s) * shape.cores + c
                                  : shape.spines > 0 ? at.plane * shape.spines + s
                                                     : at.leaf % shape.unit_leaves;
        return first_border_link + 2 * (at.site * tops + top);
    }
    [[nodiscard]] VertexId spine(std::uint32_t pod, std::uint32_t plane, std::uint32_t s) const {
        return first_spine + (pod * shape.planes + plane) * shape.spines + s;
    }
    [[nodiscard]] VertexId core(std::uint32_t site, std::uint32_t plane, std::uint32_t s,
                                std::uint32_t c) const {
        return first_core + ((site * shape.planes + plane) * shape.spines + s) * shape.cores + c;
    }
    [[nodiscard]] LinkId port_link(std::uint32_t port) const { return first_port_link + 2 * port; }
    [[nodiscard]] LinkId leaf_link(std::uint32_t leaf, std::uint32_t s) const {
        return first_leaf_link + 2 * (leaf * shape.spines + s);
    }
    [[nodiscard]] LinkId spine_link(const Place& at, std::uint32_t s, std::uint32_t c) const {
        return first_spine_link +
               2 * (((at.pod * shape.planes + at.plane) * shape.spines + s) * shape.cores + c);
    }

    Ports ports;
    Fabric fabric;
    Rails rails;
    Shape shape;
    std::vector<double> leaf_down;  ///< [leaf] bandwidth of all that hangs below, each direction
    std::uint32_t tops = 0;         ///< highest switches of a site
    VertexId first_leaf = 0, first_spine = 0, first_core = 0, first_border = 0;
    LinkId first_port_link = 0, first_leaf_link = 0, first_spine_link = 0, first_border_link = 0,
           first_site_link = 0;
};

}  // namespace

std::unique_ptr<BetweenNodes> build_clos(GraphWriter& writer, const Ports& ports, const Fabric& fabric,
                                         Rails rails) {
    return std::make_unique<Clos>(writer, ports, fabric, rails);
}

}  // namespace orrery::topologies
