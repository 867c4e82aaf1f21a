#include "sim/engine/messages/message_routes.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "core/huge_pages.hpp"

namespace orrery::sim {
namespace {

constexpr std::uint32_t kUnknown = std::numeric_limits<std::uint32_t>::max();

MessageRoutes::Level level_of(topologies::Tier tier) {
    using topologies::Tier;
    switch (tier) {
        case Tier::nvlink:
        case Tier::xgmi:
        case Tier::pcie:
        case Tier::ici:
            return MessageRoutes::Level::node;
        case Tier::nic:
            return MessageRoutes::Level::network;
        case Tier::leaf:
        case Tier::spine:
        case Tier::local:
        case Tier::global:
        case Tier::wan:
            return MessageRoutes::Level::spine;
    }
    return MessageRoutes::Level::node;
}

class Routing {
  public:
    Routing(const MessageList& m, std::span<const std::uint32_t> d, const topologies::Cluster& c,
            const Network& n, const MessageOverheads& o)
        : messages(m), devices(d), cluster(c), network(n), overheads(o) {}

    MessageRoutes run() {
        const topologies::Graph& graph = network.graph();
        for (std::uint32_t link = 0; link < graph.links(); ++link) {
            routes.bandwidth.push_back(graph.bandwidth(link));
            routes.level.push_back(level_of(graph.tier(link)));
        }
        routes.in_network.assign(routes.bandwidth.size(), 0);
        routes.begin.push_back(0);
        routes.of = make_large_vector<std::uint32_t>(messages.size());
        std::vector<std::uint32_t> route_to(messages.positions(), kUnknown);
        std::vector<std::uint32_t> used;
        for_each_sender([&](std::span<const std::uint32_t> sent) {
            for (const std::uint32_t m : sent) {
                std::uint32_t& route = route_to[messages.to[m]];
                if (route == kUnknown) {
                    route = add(messages.from[m], messages.to[m]);
                    used.push_back(messages.to[m]);
                }
                routes.of[m] = route;
            }
            for (const std::uint32_t to : used) route_to[to] = kUnknown;
            used.clear();
        });
        for (std::size_t l = 0; l < routes.bandwidth.size(); ++l)
            routes.bandwidth[l] *= routes.in_network[l] != 0 ? overheads.network_share : overheads.link_share;
        return std::move(routes);
    }

  private:
    template <class Use>
    void for_each_sender(Use use) const {
        std::vector<std::uint32_t> begin(messages.positions() + 1, 0);
        for (const std::uint32_t from : messages.from) ++begin[from + 1];
        for (std::size_t p = 1; p < begin.size(); ++p) begin[p] += begin[p - 1];
        std::vector<std::uint32_t> order(messages.size());
        std::vector<std::uint32_t> cursor(begin.begin(), begin.end() - 1);
        for (std::uint32_t m = 0; m < messages.size(); ++m) order[cursor[messages.from[m]]++] = m;
        for (std::uint32_t p = 0; p + 1 < begin.size(); ++p)
            use(std::span<const std::uint32_t>(order.data() + begin[p], begin[p + 1] - begin[p]));
    }

    [[nodiscard]] bool is_switch(std::uint32_t position) const { return position >= messages.members; }
    [[nodiscard]] const SwitchPlace& place(std::uint32_t position) const {
        return messages.switches[position - messages.members];
    }

    std::uint32_t add(std::uint32_t from, std::uint32_t to) {
        if (is_switch(from) || is_switch(to)) {
            add_switch_route(from, to);
        } else {
            const NetworkRoute route = network.route(devices[from], devices[to]);
            append(route.links, route.latency_s,
                   cluster.node_of(devices[from]) != cluster.node_of(devices[to]));
        }
        return static_cast<std::uint32_t>(routes.latency_s.size() - 1);
    }

    void append(std::span<const std::uint32_t> links, double latency_s, bool between) {
        routes.links.insert(routes.links.end(), links.begin(), links.end());
        routes.begin.push_back(static_cast<std::uint32_t>(routes.links.size()));
        routes.latency_s.push_back(latency_s + (between ? overheads.network_step_s : overheads.link_step_s));
        if (!between) return;
        for (const std::uint32_t link : links) routes.in_network[link] = 1;
    }

    /// A member whose route to `member` shows the links in question.
    [[nodiscard]] NetworkRoute reference(std::uint32_t member, SwitchPlace::Level level) const {
        std::optional<NetworkRoute> best;
        for (std::uint32_t other = 0; other < messages.members; ++other) {
            if (other == member) continue;
            const bool inside = cluster.node_of(devices[member]) == cluster.node_of(devices[other]);
            if (inside != (level == SwitchPlace::Level::node)) continue;
            NetworkRoute route = network.route(devices[member], devices[other]);
            if (level != SwitchPlace::Level::root) return route;
            if (!best || route.links.size() > best->links.size()) best = std::move(route);
        }
        if (!best) throw SimulationError("no member shows the way to a switch");
        return std::move(*best);
    }

    /// Down is up reversed: links come in pairs of out and in, whose order the route back gives.
    void add_switch_route(std::uint32_t from, std::uint32_t to) {
        const bool up = is_switch(to) && (!is_switch(from) || place(to).level == SwitchPlace::Level::root);
        const std::uint32_t lower = up ? from : to;
        const std::uint32_t upper = up ? to : from;
        const bool whole_leaf = is_switch(lower);
        const std::uint32_t member = whole_leaf ? place(lower).member : lower;
        const SwitchPlace::Level level = whole_leaf ? SwitchPlace::Level::root : place(upper).level;
        NetworkRoute route = reference(member, level);
        if (!up) route = reversed(member, level);
        const auto middle = route.links.begin() + static_cast<std::ptrdiff_t>(route.links.size() / 2);
        std::vector<std::uint32_t> part;
        std::copy_if(up ? route.links.begin() : middle, up ? middle : route.links.end(),
                     std::back_inserter(part), [&](std::uint32_t link) {
                         return whole_leaf == (routes.level[link] == MessageRoutes::Level::spine);
                     });
        if (part.empty()) throw ExperimentError("the cluster has no switch above its leaves to add in");
        append(part, route.latency_s / 2, level != SwitchPlace::Level::node);
    }

    [[nodiscard]] NetworkRoute reversed(std::uint32_t member, SwitchPlace::Level level) const {
        std::optional<NetworkRoute> best;
        for (std::uint32_t other = 0; other < messages.members; ++other) {
            if (other == member) continue;
            const bool inside = cluster.node_of(devices[member]) == cluster.node_of(devices[other]);
            if (inside != (level == SwitchPlace::Level::node)) continue;
            NetworkRoute route = network.route(devices[other], devices[member]);
            if (level != SwitchPlace::Level::root) return route;
            if (!best || route.links.size() > best->links.size()) best = std::move(route);
        }
        if (!best) throw SimulationError("no member shows the way from a switch");
        return std::move(*best);
    }

    const MessageList& messages;
    std::span<const std::uint32_t> devices;
    const topologies::Cluster& cluster;
    const Network& network;
    MessageOverheads overheads;
    MessageRoutes routes;
};

}  // namespace

MessageRoutes route_messages(const MessageList& messages, std::span<const std::uint32_t> devices,
                             const topologies::Cluster& cluster, const Network& network,
                             const MessageOverheads& overheads) {
    if (devices.size() != messages.members)
        throw SimulationError("the messages of a collective on another number of devices");
    return Routing(messages, devices, cluster, network, overheads).run();
}

std::vector<double> bytes_by_link(const MessageList& messages, const MessageRoutes& routes) {
    std::vector<double> bytes(routes.bandwidth.size(), 0);
    for (std::size_t m = 0; m < messages.size(); ++m)
        for (const std::uint32_t link : routes.links_of(m)) bytes[link] += messages.bytes[m];
    return bytes;
}

}  // namespace orrery::sim
