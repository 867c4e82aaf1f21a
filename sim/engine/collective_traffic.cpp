#include "sim/engine/collective_traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/messages/message_routes.hpp"

namespace orrery::sim {
namespace {

using Devices = std::span<const std::uint32_t>;

class Pairs {
  public:
    Pairs(Devices d, const Network& n, const topologies::Cluster& c) : devices(d), network(n), cluster(c) {}

    void ring(CollectiveKind kind, double bytes) {
        const auto rings = network.rings({devices.begin(), devices.end()});
        const double share = bytes / static_cast<double>(rings.size());
        const auto n = static_cast<double>(devices.size());
        for (const auto& order : rings) {
            if (kind == CollectiveKind::broadcast) {
                chain(order, share);
            } else if (kind == CollectiveKind::reduce) {
                chain({order.rbegin(), order.rend()}, share);
            } else {
                const double passes = kind == CollectiveKind::all_reduce ? 2 : 1;
                around(order, passes * (n - 1) / n * share);
            }
        }
    }

    void tree(double bytes) {
        for (const auto& [node, members] : nodes()) {
            const auto r = static_cast<double>(members.size());
            if (members.size() < 2) continue;
            around(members, (r - 1) / r * bytes);
            around({members.rbegin(), members.rend()}, (r - 1) / r * bytes);
        }
        between_nodes(bytes);
    }

    void nvls(double bytes) {
        for (const auto& [node, members] : nodes())
            if (members.size() > 1) around(members, (1 + 1 / static_cast<double>(members.size())) * bytes);
        between_nodes(bytes);
    }

    void exchange(double bytes) {
        const double part = bytes / static_cast<double>(devices.size());
        list.reserve(devices.size() * devices.size());
        for (const std::uint32_t from : devices)
            for (const std::uint32_t to : devices)
                if (from != to) list.push_back({from, to, part});
    }

    void rooted(CollectiveKind kind, double bytes) {
        const double part = bytes / static_cast<double>(devices.size());
        for (const std::uint32_t other : devices.subspan(1)) {
            if (kind == CollectiveKind::gather)
                list.push_back({other, devices[0], part});
            else
                list.push_back({devices[0], other, part});
        }
    }

    void send(double bytes) { list.push_back({devices[0], devices[1], bytes}); }

    std::vector<PairBytes> list;

  private:
    void around(const std::vector<std::uint32_t>& order, double bytes) {
        for (std::size_t i = 0; i < order.size(); ++i)
            list.push_back({order[i], order[(i + 1) % order.size()], bytes});
    }

    void chain(const std::vector<std::uint32_t>& order, double bytes) {
        for (std::size_t i = 0; i + 1 < order.size(); ++i) list.push_back({order[i], order[i + 1], bytes});
    }

    /// The members by node, in ring order.
    [[nodiscard]] std::vector<std::pair<int, std::vector<std::uint32_t>>> nodes() const {
        std::vector<std::pair<int, std::vector<std::uint32_t>>> result;
        std::map<int, std::size_t> index;
        for (const std::uint32_t device : devices) {
            const int node = cluster.node_of(device);
            const auto [at, fresh] = index.emplace(node, result.size());
            if (fresh) result.push_back({node, {}});
            result[at->second].second.push_back(device);
        }
        return result;
    }

    /// Two binary trees over the nodes, half of the bytes each, reduced up and sent down. As many of a node's
    /// members as the smallest node has take an equal share.
    void between_nodes(double bytes) {
        const auto all = nodes();
        if (all.size() < 2) return;
        std::size_t lanes = all[0].second.size();
        for (const auto& [node, members] : all) lanes = std::min(lanes, members.size());
        const auto n = static_cast<std::uint32_t>(all.size());
        const double share = bytes / 2 / static_cast<double>(lanes);
        for (std::uint32_t i = 0; i < n; ++i) {
            const auto first = parent(i, n);
            if (first) join(all[i].second, all[*first].second, lanes, share);
            // The second tree is the first one mirrored, or turned by one where the nodes are odd in number,
            // so that the inner nodes of the one are leaves of the other.
            const std::uint32_t mirror = n % 2 == 0 ? n - 1 - i : (i + n - 1) % n;
            const auto second = parent(mirror, n);
            if (!second) continue;
            const std::uint32_t back = n % 2 == 0 ? n - 1 - *second : (*second + 1) % n;
            join(all[i].second, all[back].second, lanes, share);
        }
    }

    /// In-order binary tree: the lowest set bit of a number is its height; the parent has the next bit in its
    /// place. Number 0 is the root, above all others.
    static std::optional<std::uint32_t> parent(std::uint32_t i, std::uint32_t n) {
        if (i == 0) return std::nullopt;
        const std::uint32_t bit = i & (~i + 1);
        const std::uint32_t up = (i ^ bit) | (bit << 1U);
        return up < n ? up : i ^ bit;
    }

    void join(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b, std::size_t lanes,
              double bytes) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            list.push_back({a[lane], b[lane], bytes});
            list.push_back({b[lane], a[lane], bytes});
        }
    }

    Devices devices;
    const Network& network;
    const topologies::Cluster& cluster;
};

}  // namespace

bool known_by_pairs(CollectiveKind kind, std::string_view algorithm) {
    using Kind = CollectiveKind;
    const bool passes = kind == Kind::all_reduce || kind == Kind::all_gather || kind == Kind::reduce_scatter;
    if (algorithm == "ring") return passes || kind == Kind::broadcast || kind == Kind::reduce;
    if (algorithm == "tree" || algorithm == "nvls" || algorithm == "nvls-tree")
        return kind == Kind::all_reduce;
    if (algorithm == "pairwise") return kind == Kind::all_to_all;
    return algorithm == "direct" && (kind == Kind::all_to_all || kind == Kind::gather ||
                                     kind == Kind::scatter || kind == Kind::send_recv);
}

std::vector<PairBytes> collective_pairs(CollectiveKind kind, std::string_view algorithm, double bytes,
                                        Devices devices, const Network& network,
                                        const topologies::Cluster& cluster) {
    if (devices.size() < 2) return {};
    if (!known_by_pairs(kind, algorithm))
        throw SimulationError(fmt::format("between whom the algorithm {} of {} moves bytes is not known",
                                          algorithm, to_string(kind)));
    Pairs pairs(devices, network, cluster);
    if (algorithm == "ring") {
        pairs.ring(kind, bytes);
    } else if (algorithm == "tree") {
        pairs.tree(bytes);
    } else if (algorithm == "nvls" || algorithm == "nvls-tree") {
        pairs.nvls(bytes);
    } else if (kind == CollectiveKind::all_to_all) {
        pairs.exchange(bytes);
    } else if (kind == CollectiveKind::send_recv) {
        pairs.send(bytes);
    } else {
        pairs.rooted(kind, bytes);
    }
    return std::move(pairs.list);
}

std::vector<PairBytes> exchange_pairs(const TrafficMatrix& matrix, Devices devices) {
    std::vector<PairBytes> pairs;
    for (std::uint32_t from = 0; from < matrix.members; ++from)
        for (std::uint32_t to = 0; to < matrix.members; ++to)
            if (from != to && matrix.at(from, to) > 0)
                pairs.push_back({devices[from], devices[to], matrix.at(from, to)});
    return pairs;
}

LinkSum::LinkSum(const Network& n, const topologies::Cluster& c)
    : network(n), cluster(c), sum(n.link_count()) {}

void LinkSum::add(std::span<const PairBytes> pairs, double node_wire, double network_wire) {
    for (const PairBytes& pair : pairs) {
        if (pair.bytes <= 0) continue;
        const bool inside = cluster.node_of(pair.from) == cluster.node_of(pair.to);
        const double wire = pair.bytes * (inside ? node_wire : network_wire);
        network.graph().route(pair.from, pair.to, topologies::flow_of(pair.from, pair.to), way);
        for (const std::uint32_t link : way) add(link, pair.bytes, wire, inside);
    }
}

void LinkSum::add(std::uint32_t link, double bytes, double wire, bool inside) {
    if (sum[link].payload == 0) used.push_back(link);
    sum[link].payload += bytes;
    sum[link].wire += wire;
    sum[link].inside_node = inside;
}

void LinkSum::add_messages(CollectiveKind kind, std::string_view algorithm, double bytes,
                           std::span<const std::uint32_t> devices, double node_wire, double network_wire) {
    const MessageList messages =
        collective_messages({kind, bytes}, member_places(devices, cluster, network), algorithm);
    const MessageRoutes routes = route_messages(messages, devices, cluster, network);
    for (std::size_t m = 0; m < messages.size(); ++m) {
        if (messages.bytes[m] <= 0) continue;
        const auto links = routes.links_of(m);
        const bool inside = std::ranges::none_of(
            links, [&](std::uint32_t link) { return routes.level[link] != MessageRoutes::Level::node; });
        for (const std::uint32_t link : links)
            add(link, messages.bytes[m], messages.bytes[m] * (inside ? node_wire : network_wire), inside);
    }
}

std::vector<LinkBytes> LinkSum::take() {
    std::sort(used.begin(), used.end());
    std::vector<LinkBytes> result;
    result.reserve(used.size());
    for (const std::uint32_t link : used) {
        result.push_back({link, sum[link].payload, sum[link].wire, sum[link].inside_node});
        sum[link] = {};
    }
    used.clear();
    return result;
}

}  // namespace orrery::sim
