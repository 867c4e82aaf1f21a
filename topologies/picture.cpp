#include "topologies/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "topologies/builders/builders.hpp"
#include "topologies/fabric_names.hpp"

namespace orrery::topologies {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 170;  ///< the column of words
constexpr double kRow = 96;
constexpr std::size_t kDrawn = 8;  ///< of a level

struct Point {
    double x = 0;
    double y = 0;
};

std::string rate(double bytes_per_s) {
    if (bytes_per_s >= 1e12) return fmt::format("{:.3g} TB/s", bytes_per_s * 1e-12);
    return fmt::format("{:.3g} GB/s", bytes_per_s * 1e-9);
}

std::string plural(std::size_t count, const std::string& word) {
    if (count == 1) return "1 " + word;
    return fmt::format("{} {}{}", count, word, word.ends_with("ch") ? "es" : "s");
}

/// How a cable is drawn.
struct Stroke {
    bool bold = false;
    double share = -1;  ///< of the darkest shade; below 0: no shades
    std::string words;  ///< said when pointed at

    void join(const Stroke& other) {
        bold = bold || other.bold;
        if (other.share > share) {
            share = other.share;
            words = other.words;
        }
    }
};

std::string escaped(const std::string& words) {
    std::string safe;
    for (const char c : words) safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return safe;
}

/// Collects SVG elements; cables first, so that boxes lie on top, and of the cables the busier on top.
class Canvas {
  public:
    bool on_page = false;  ///< in the colours of the page that it stands on

    void line(Point a, Point b, const Stroke& stroke, double width = 1.2) {
        cable(fmt::format(R"(line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}")", a.x, a.y, b.x, b.y),
              "line", stroke, width);
    }
    /// Between two boxes of one row, over their tops; the farther, the higher.
    void arc(Point a, Point b, const Stroke& stroke) {
        cable(fmt::format(R"(path d="M {:.1f} {:.1f} Q {:.1f} {:.1f} {:.1f} {:.1f}" fill="none")", a.x, a.y,
                          (a.x + b.x) / 2, a.y - 10 - std::abs(b.x - a.x) / 8, b.x, b.y),
              "path", stroke, 1.2);
    }
    /// The shades from idle to `darkest`.
    void shades(Point at, const std::string& darkest) {
        text({at.x - 8, at.y + 9}, "share of the step:", 11, "end", "#475569");
        for (int shade = 1; shade <= 10; ++shade)
            boxes += fmt::format(
                R"svg(<rect x="{:.1f}" y="{:.1f}" width="14" height="10" style="fill:var(--h{})"/>)svg"
                "\n",
                at.x + (shade - 1) * 14.0, at.y, shade);
        text({at.x + 146, at.y + 9}, darkest, 11, "start", "#475569");
    }
    void box(Point centre, double w, double h, const char* fill, const std::string& words, double size = 11) {
        boxes += fmt::format(
            R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="3" {} stroke-width="0.8"/>)"
            "\n",
            centre.x - w / 2, centre.y - h / 2, w, h,
            on_page ? std::string(R"svg(style="fill:var(--panel);stroke:var(--faint)")svg")
                    : fmt::format(R"(fill="{}" stroke="#334155")", fill));
        if (!words.empty()) text({centre.x, centre.y + size / 3}, words, size, "middle");
    }
    void text(Point at, const std::string& words, double size = 12, const char* anchor = "start",
              const char* colour = "#1f2933", bool strong = false) {
        const bool primary = std::string_view(colour) == "#1f2933" || std::string_view(colour) == "#0f172a";
        const std::string paint = !on_page ? fmt::format(R"(font-size="{:.1f}" fill="{}")", size, colour)
                                  : primary
                                      ? fmt::format(R"(style="font-size:{:.1f}px")", size)
                                      : fmt::format(R"(class="faint" style="font-size:{:.1f}px")", size);
        boxes +=
            fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" {}{}>{}</text>)"
                        "\n",
                        at.x, at.y, anchor, paint, strong ? R"( font-weight="bold")" : "", escaped(words));
    }
    [[nodiscard]] std::string document(double height) {
        std::stable_sort(cables_.begin(), cables_.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        std::string cables;
        for (const auto& [share, element] : cables_) cables += element;
        if (on_page)
            return fmt::format(
                R"(<svg viewBox="0 0 {:.0f} {:.0f}" width="100%" style="max-width:{:.0f}px" role="img" )"
                R"(aria-label="The cluster, its links by how busy they were">{}{}</svg>)"
                "\n",
                kWidth, height, kWidth, cables, boxes);
        return fmt::format(
            R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}" font-family="Helvetica, Arial, sans-serif">)"
            "\n"
            R"(<rect width="100%" height="100%" fill="#ffffff"/>)"
            "\n{2}{3}</svg>\n",
            kWidth, height, cables, boxes);
    }

  private:
    void cable(const std::string& element, const char* name, const Stroke& stroke, double width) {
        std::string paint;
        if (stroke.share < 0) {
            paint = fmt::format(R"(stroke="{}" stroke-width="{:.1f}")", stroke.bold ? "#c2410c" : "#9aa5b1",
                                stroke.bold ? width + 2 : width);
        } else {
            const int shade = static_cast<int>(std::ceil(std::min(1.0, stroke.share) * 10));
            paint = fmt::format(R"svg(style="stroke:var(--{});stroke-width:{:.1f}")svg",
                                shade == 0 ? "rule" : fmt::format("h{}", shade), width + stroke.share * 1.6);
        }
        cables_.emplace_back(stroke.share, stroke.words.empty()
                                               ? fmt::format("<{} {}/>\n", element, paint)
                                               : fmt::format("<{} {}><title>{}</title></{}>\n", element,
                                                             paint, escaped(stroke.words), name));
    }

    std::vector<std::pair<double, std::string>> cables_;
    std::string boxes;
};

/// One level of the machine.
struct Level {
    std::string word;  ///< "leaf switches"
    const char* fill = "#e2e8f0";
    std::vector<std::uint32_t> all;  ///< vertices; of the nodes their numbers
    std::vector<std::uint32_t> drawn;
    std::map<std::uint32_t, Point> at;
};

void choose_drawn(Level& level, const std::set<std::uint32_t>& wanted) {
    std::set<std::uint32_t> chosen;
    for (const std::uint32_t v : level.all)
        if (wanted.contains(v) && chosen.size() < kDrawn) chosen.insert(v);
    if (!level.all.empty()) chosen.insert(level.all.back());
    for (const std::uint32_t v : level.all)
        if (chosen.size() < kDrawn) chosen.insert(v);
    level.drawn.assign(chosen.begin(), chosen.end());
}

class Picture {
  public:
    Picture(const Cluster& c, const Graph& g, const Way& way, const ClusterHeat* shades = nullptr)
        : cluster(c), graph(g), bold(way.begin(), way.end()), heat(shades) {
        canvas.on_page = heat != nullptr;
        for (const LinkId link : way) want(link);
        for (const LinkId link : busiest_between_nodes()) want(link);
    }

    std::string draw() {
        double y = heading();
        const bool torus = cluster.fabric.kind == FabricKind::torus && !cluster.custom;
        if (torus) {
            y = lattice(y);
        } else {
            y = levels(y);
            if (!cluster.custom) y = inside(y);
        }
        return canvas.document(y + 16);
    }

  private:
    void want(LinkId link) {
        wanted.insert(graph.from(link));
        wanted.insert(graph.to(link));
    }

    /// As many as a row has room for, the busiest first; of equally busy ones the first.
    [[nodiscard]] std::vector<LinkId> busiest_between_nodes() const {
        std::vector<LinkId> links;
        if (heat == nullptr) return links;
        for (LinkId link = 0; link < graph.links(); ++link)
            if (graph.tier(link) >= Tier::nic && share(link) > 0) links.push_back(link);
        std::stable_sort(links.begin(), links.end(),
                         [this](LinkId a, LinkId b) { return share(a) > share(b); });
        if (links.size() > kDrawn) links.resize(kDrawn);
        return links;
    }

    [[nodiscard]] double share(LinkId link) const {
        return link < heat->links.size() ? heat->links[link].share : 0;
    }

    /// Of a cable, whose first link is `link`: both directions.
    [[nodiscard]] Stroke stroke(LinkId link) const {
        Stroke both{bold.contains(link) || bold.contains(link + 1)};
        if (heat == nullptr) return both;
        both.share = std::max(share(link), share(link + 1));
        for (const LinkId one : {link, link + 1})
            if (one < heat->links.size() && !heat->links[one].words.empty())
                both.words += (both.words.empty() ? "" : "\n") + heat->links[one].words;
        if (both.words.empty()) both.words = graph.link_name(link) + ": idle";
        return both;
    }

    /// A device's cable to a vertex of that kind, or to that vertex.
    [[nodiscard]] Stroke stroke_between(VertexId from, VertexKind kind,
                                        std::optional<VertexId> to = {}) const {
        Stroke all;
        if (heat == nullptr) return all;
        for (LinkId link = 0; link < graph.links(); link += 2) {
            const bool out =
                graph.from(link) == from && (to ? graph.to(link) == *to : graph.kind(graph.to(link)) == kind);
            const bool back = to && graph.from(link) == *to && graph.to(link) == from;
            if (out || back) all.join(stroke(link));
        }
        return all;
    }

    /// The first device of the node to draw from inside: the one whose own links were busiest.
    [[nodiscard]] std::uint32_t first_device_inside() const {
        if (heat == nullptr) return 0;
        double most = 0;
        std::uint32_t device = 0;
        for (LinkId link = 0; link < graph.links(); ++link) {
            const VertexId end = std::min(graph.from(link), graph.to(link));
            if (graph.tier(link) >= Tier::nic || end >= graph.devices() || share(link) <= most) continue;
            most = share(link);
            device = end;
        }
        return device - static_cast<std::uint32_t>(cluster.place_in_node(device));
    }

    double heading() {
        if (heat != nullptr) {
            canvas.shades({kWidth - 390, 12}, heat->darkest);
            return cluster.fabric.kind == FabricKind::dragonfly || cluster.custom ? 84 : 36;
        }
        canvas.text({24, 34}, cluster.name, 20, "start", "#0f172a", true);
        std::string words = fmt::format("{} {}, {} {}", cluster.devices(),
                                        cluster.fabric.kind == FabricKind::torus ? "chips" : "GPUs",
                                        cluster.nodes, cluster.nodes == 1 ? "node" : "nodes");
        if (cluster.custom)
            words += ", a graph from a file";
        else if (cluster.nodes > 1)
            words += fmt::format(", {} ({}), {} routing", cluster.fabric.name,
                                 topologies::to_string(cluster.fabric.kind),
                                 topologies::to_string(cluster.fabric.routing));
        canvas.text({24, 54}, words, 13, "start", "#475569");
        return cluster.fabric.kind == FabricKind::dragonfly || cluster.custom ? 140 : 92;
    }

    [[nodiscard]] Level level_of(std::string word, const char* fill,
                                 std::initializer_list<VertexKind> kinds) const {
        Level level;
        level.word = std::move(word);
        level.fill = fill;
        for (VertexId v = graph.devices(); v < graph.vertices(); ++v)
            if (std::find(kinds.begin(), kinds.end(), graph.kind(v)) != kinds.end()) level.all.push_back(v);
        return level;
    }

    double levels(double y) {
        std::vector<Level> rows;
        rows.push_back(level_of("site border", "#fde68a", {VertexKind::border}));
        rows.push_back(level_of("core switch", "#fbcfe8", {VertexKind::core}));
        rows.push_back(level_of("spine", "#ddd6fe", {VertexKind::spine}));
        rows.push_back(level_of(cluster.custom ? "switch" : "leaf switch", "#bfdbfe",
                                {VertexKind::leaf, VertexKind::router}));
        if (cluster.fabric.routing == Routing::adaptive && !cluster.custom) {
            rows[1].word = "core set";
            rows[2].word = "spine set";
        }
        if (cluster.fabric.kind == FabricKind::dragonfly) rows[3].word = "router";
        std::erase_if(rows, [](const Level& row) { return row.all.empty(); });
        Level nodes;
        nodes.word = "node";
        nodes.fill = "#dcfce7";
        for (int n = 0; n < cluster.nodes; ++n) nodes.all.push_back(static_cast<std::uint32_t>(n));
        std::set<std::uint32_t> wanted_nodes;
        const std::map<VertexId, int> node_of_vertex = vertices_of_nodes();
        for (const std::uint32_t v : wanted)
            if (const auto node = node_of_vertex.find(v); node != node_of_vertex.end())
                wanted_nodes.insert(static_cast<std::uint32_t>(node->second));
        for (Level& row : rows) choose_drawn(row, wanted);
        choose_drawn(nodes, wanted_nodes);
        for (Level& row : rows) y = place(row, y, false);
        y = place(nodes, y, true);
        cables(rows, nodes);
        return y;
    }

    /// Boxes of a level, and its words at the left.
    double place(Level& row, double y, bool nodes) {
        const double centre = y + kRow / 2 - 14;
        const double step = (kWidth - kLeft - 24) / static_cast<double>(row.drawn.size());
        const double width = std::min(step - 10, nodes ? 120.0 : 96.0);
        for (std::size_t i = 0; i < row.drawn.size(); ++i) {
            const Point at{kLeft + step * (static_cast<double>(i) + 0.5), centre};
            row.at[row.drawn[i]] = at;
            const std::string name =
                nodes ? fmt::format("node {}", row.drawn[i]) : graph.vertex_name(row.drawn[i]);
            canvas.box(
                at, width, nodes ? 40 : 26, row.fill, nodes ? "" : name,
                std::min(11.0, 1.75 * width / static_cast<double>(std::max<std::size_t>(1, name.size()))));
            if (nodes) node_box(at, width, row.drawn[i]);
            // Where some are left out between two neighbours.
            if (i > 0 && row.drawn[i] != row.drawn[i - 1] + 1 &&
                std::find(row.all.begin(), row.all.end(), row.drawn[i - 1] + 1) != row.all.end() &&
                row.drawn[i - 1] + 1 != row.drawn[i])
                canvas.text({at.x - step / 2, centre + 4}, "...", 15, "middle", "#475569", true);
        }
        canvas.text({24, centre}, plural(row.all.size(), row.word), 12.5, "start", "#0f172a", true);
        if (row.drawn.size() < row.all.size())
            canvas.text({24, centre + 15}, fmt::format("{} drawn", row.drawn.size()), 11, "start", "#64748b");
        return y + kRow;
    }

    void node_box(Point at, double width, std::uint32_t node) {
        const Node& kind = cluster.kind_of_node(static_cast<int>(node));
        canvas.text({at.x, at.y - 7}, fmt::format("node {}", node), 10.5, "middle");
        const int shown = std::min(kind.gpus, 8);
        const double side = std::min(9.0, (width - 10) / shown - 1.5);
        for (int g = 0; g < shown; ++g)
            canvas.box({at.x + (g - (shown - 1) / 2.0) * (side + 1.5), at.y + 7}, side, side, "#16a34a", "");
        if (kind.gpus > shown)
            canvas.text({at.x, at.y + 32}, fmt::format("{} GPUs", kind.gpus), 10, "middle", "#475569");
    }

    /// Cables whose two ends are drawn; a node's are drawn from its box.
    void cables(std::vector<Level>& rows, Level& nodes) {
        std::map<VertexId, std::pair<Point, std::size_t>> where;
        for (std::size_t r = 0; r < rows.size(); ++r)
            for (const auto& [v, at] : rows[r].at) where[v] = {at, r};
        std::map<VertexId, int> node_of_vertex = vertices_of_nodes();
        std::map<std::pair<VertexId, VertexId>, Stroke> lines;
        std::map<std::size_t, std::set<std::string>> rates;  // by the lower row
        for (LinkId link = 0; link < graph.links(); link += 2) {
            const VertexId a = graph.from(link);
            const VertexId b = graph.to(link);
            const auto upper = where.find(b);
            if (upper == where.end()) continue;
            const auto lower = where.find(a);
            const auto node = node_of_vertex.find(a);
            if (lower == where.end() && node == node_of_vertex.end()) continue;
            const std::size_t row = lower == where.end() ? rows.size() : lower->second.second;
            const Tier tier = graph.tier(link);
            if (rates[row].size() < 2)
                rates[row].insert(
                    fmt::format("{} {}", topologies::to_string(tier), rate(graph.bandwidth(link))));
            if (lower != where.end()) {
                lines[{a, b}].join(stroke(link));
                continue;
            }
            const auto box = nodes.at.find(static_cast<std::uint32_t>(node->second));
            if (box == nodes.at.end()) continue;
            canvas.line(port_place(box->second, a), bottom(upper->second.first), stroke(link));
        }
        for (const auto& [ends, look] : lines) {
            const auto& [low, low_row] = where.at(ends.first);
            const auto& [high, high_row] = where.at(ends.second);
            if (low_row == high_row) {
                canvas.arc(top(low), top(high), look);
            } else {
                canvas.line(low_row > high_row ? top(low) : bottom(low),
                            low_row > high_row ? bottom(high) : top(high), look);
            }
        }
        for (const auto& [row, words] : rates) {
            const double y =
                (row < rows.size() ? rows[row].at.begin()->second.y : nodes.at.begin()->second.y) - 48;
            double down = 0;
            for (const std::string& one : words) {
                canvas.text({24, std::max(70.0, y) + down}, one, 11, "start", "#0369a1");
                down += 13;
            }
        }
    }

    static Point top(Point p) { return {p.x, p.y - 13}; }
    static Point bottom(Point p) { return {p.x, p.y + 13}; }
    [[nodiscard]] Point port_place(Point box, VertexId from) const {
        // Ports side by side along the top of the node's box.
        const auto hash = static_cast<double>(from % 8);
        return {box.x + (hash - 3.5) * 8, box.y - 20};
    }

    /// The node of each vertex that NICs hang on (and of the devices).
    [[nodiscard]] std::map<VertexId, int> vertices_of_nodes() const {
        std::map<VertexId, int> nodes;
        for (std::uint32_t d = 0; d < graph.devices(); ++d) nodes[d] = cluster.node_of(d);
        for (LinkId link = 0; link < graph.links(); link += 2)
            if (graph.from(link) < graph.devices() && graph.to(link) >= graph.devices() &&
                graph.kind(graph.to(link)) == VertexKind::pcie_switch)
                nodes[graph.to(link)] = cluster.node_of(graph.from(link));
        return nodes;
    }

    /// One node from inside: its GPUs, what joins them, its NICs.
    double inside(double y) {
        first_inside = first_device_inside();
        const Node& node = cluster.node_at(first_inside);
        canvas.text({24, y + 18},
                    heat == nullptr ? fmt::format("inside {}", node.name)
                                    : fmt::format("inside node {}", cluster.node_of(first_inside)),
                    14, "start", "#0f172a", true);
        canvas.text({24, y + 36}, fmt::format("{} x {}", node.gpus, node.gpu.name), 11, "start", "#475569");
        if (node.gpu_link_bandwidth > 0 && node.gpus > 1) {
            canvas.text({24, y + 52}, fmt::format("{} a GPU", rate(node.gpu_link_bandwidth)), 11, "start",
                        "#0369a1");
            canvas.text({24, y + 66}, "and direction", 11, "start", "#0369a1");
        }
        if (node.nics > 0)
            canvas.text({24, y + 84},
                        fmt::format("{} x {:.0f} Gbit/s NIC", node.nics, node.nic_bandwidth * 8e-9), 11,
                        "start", "#0369a1");
        if (node.fabric == NodeFabric::nvlink_mesh) return mesh(node, y);
        return switched(node, y);
    }

    double switched(const Node& node, double y) {
        const bool through_pcie = node.fabric == NodeFabric::pcie;
        const double middle = kLeft + (kWidth - kLeft - 24) / 2;
        const int columns = std::min(node.gpus, node.gpus > 16 ? 24 : 16);
        const int lines = (node.gpus + columns - 1) / columns;
        const double step = std::min(64.0, (kWidth - kLeft - 24) / columns);
        const double bar = y + 24;
        const double first = bar + 50;
        for (int g = 0; g < node.gpus; ++g) {
            const int row = g / columns;
            const Point at{middle + (g % columns - (columns - 1) / 2.0) * step, first + row * 34.0};
            if (g < columns && node.gpus > 1) canvas.line({at.x, bar}, at, gpu_link(g, through_pcie), 2);
            canvas.box(at, step - 6, 24, "#86efac", std::to_string(g), 10);
        }
        if (node.gpus > 1)
            canvas.box({middle, bar}, step * columns, 22, through_pcie ? "#fed7aa" : "#fef08a",
                       through_pcie ? "PCIe" : "NVSwitch");
        const double below = first + (lines - 1) * 34.0;
        const int ports = node.ports();
        for (int p = 0; p < ports && lines == 1; ++p) {
            const double x = middle + ((p + 0.5) * columns / ports - columns / 2.0) * step;
            for (int g = 0; g < node.gpus; ++g)
                if (node.port_of(g) == p)
                    canvas.line({middle + (g - (columns - 1) / 2.0) * step, below}, {x, below + 48},
                                gpu_link(g, true));
            canvas.box(
                {x, below + 48}, std::min(54.0, step - 4), 20, "#bae6fd",
                node.nics > ports ? fmt::format("{} NICs", node.nics / ports) : fmt::format("NIC {}", p), 9);
        }
        return below + (ports > 0 && lines == 1 ? 76 : 34);
    }

    /// A GPU's cable to its NVSwitch, or to its PCIe switch.
    [[nodiscard]] Stroke gpu_link(int gpu, bool pcie) const {
        return stroke_between(first_inside + static_cast<std::uint32_t>(gpu),
                              pcie ? VertexKind::pcie_switch : VertexKind::node_switch);
    }

    double mesh(const Node& node, double y) {
        const double radius = 88;
        const Point centre{kLeft + (kWidth - kLeft) / 2, y + radius + 30};
        const auto place = [&](int g) {
            const double angle = 2 * M_PI * (g + 0.5) / node.gpus - M_PI / 2;
            return Point{centre.x + 1.6 * radius * std::cos(angle), centre.y + radius * std::sin(angle)};
        };
        std::vector<MeshCable> all = node.mesh;
        if (all.empty())
            for (int a = 0; a < node.gpus; ++a)
                for (int b = a + 1; b < node.gpus; ++b) all.push_back({a, b, 1});
        for (const MeshCable& cable : all)
            canvas.line(place(cable.a), place(cable.b),
                        stroke_between(first_inside + static_cast<std::uint32_t>(cable.a), VertexKind::device,
                                       first_inside + static_cast<std::uint32_t>(cable.b)),
                        1.6 * cable.links);
        for (int g = 0; g < node.gpus; ++g)
            canvas.box(place(g), 46, 24, "#86efac", fmt::format("GPU {}", g), 10);
        return centre.y + radius + 34;
    }

    double lattice(double y) {
        const auto shape = torus_shape(cluster.fabric, graph.devices());
        std::array<int, 3> shown{};
        for (std::size_t d = 0; d < 3; ++d) shown[d] = static_cast<int>(std::min(shape[d], 4U));
        const bool wraps = graph.devices() >= static_cast<std::uint32_t>(cluster.fabric.wraps_from);
        const auto place = [&](int x, int yy, int z) {
            return Point{270.0 + x * 92 + z * 46, y + 60.0 + yy * 78 + (shown[2] - 1 - z) * 26};
        };
        const auto chip = [&](int x, int yy, int z) {
            return static_cast<VertexId>(x) +
                   shape[0] * (static_cast<VertexId>(yy) + shape[1] * static_cast<VertexId>(z));
        };
        const auto wire = [&](VertexId from, VertexId to) {
            return stroke_between(from, VertexKind::device, to);
        };
        for (int z = shown[2] - 1; z >= 0; --z)
            for (int b = 0; b < shown[1]; ++b)
                for (int a = 0; a < shown[0]; ++a) {
                    const Point at = place(a, b, z);
                    const VertexId here = chip(a, b, z);
                    if (a + 1 < shown[0]) canvas.line(at, place(a + 1, b, z), wire(here, chip(a + 1, b, z)));
                    if (b + 1 < shown[1]) canvas.line(at, place(a, b + 1, z), wire(here, chip(a, b + 1, z)));
                    if (z + 1 < shown[2]) canvas.line(at, place(a, b, z + 1), wire(here, chip(a, b, z + 1)));
                    canvas.box(at, 20, 16, "#86efac", "", 8);
                }
        const std::string size = fmt::format("{} x {} x {}", shape[0], shape[1], shape[2]);
        canvas.text({24, y + 40}, size + " chips", 14, "start", "#0f172a", true);
        canvas.text({24, y + 60}, fmt::format("{} x {} x {} drawn", shown[0], shown[1], shown[2]), 11,
                    "start", "#64748b");
        canvas.text(
            {24, y + 80},
            wraps ? (cluster.fabric.twisted ? "wraps round, twisted" : "wraps round") : "no wrap-around", 12,
            "start");
        canvas.text({24, y + 98}, fmt::format("ici {} a link", rate(graph.bandwidth(0))), 11, "start",
                    "#0369a1");
        return y + 90 + shown[1] * 78 + shown[2] * 26;
    }

    const Cluster& cluster;
    const Graph& graph;
    std::set<LinkId> bold;
    const ClusterHeat* heat = nullptr;
    std::set<std::uint32_t> wanted;  ///< vertices of the way to show, or at the busiest links
    std::uint32_t first_inside = 0;  ///< first device of the node that is drawn from inside
    Canvas canvas;
};

}  // namespace

std::string cluster_svg(const Cluster& cluster, const Graph& graph, const Way& way) {
    return Picture(cluster, graph, way).draw();
}

std::string cluster_heat_svg(const Cluster& cluster, const Graph& graph, const ClusterHeat& heat) {
    return Picture(cluster, graph, {}, &heat).draw();
}

}  // namespace orrery::topologies
