// topologies/max_flow.cpp: Dinic's algorithm (1970) on a graph that is first made small.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "topologies/bisection.hpp"

namespace orrery::topologies {
namespace {

constexpr std::uint32_t kSource = 0;
constexpr std::uint32_t kSink = 1;

/// Directed capacities between merged vertices; parallel links are one.
using Capacities = std::vector<std::unordered_map<std::uint32_t, double>>;

/// All sending devices are the source, all receiving ones the sink.
Capacities merge_sides(const Graph& graph, const std::vector<bool>& side, bool through_hosts) {
    const auto merged = [&](VertexId v) {
        return v < graph.devices() ? (side[v] ? kSource : kSink) : v - graph.devices() + 2;
    };
    std::vector<bool> open(graph.vertices());
    for (VertexId v = 0; v < graph.vertices(); ++v)
        open[v] = through_hosts || graph.kind(v) != VertexKind::host;
    Capacities capacities(graph.vertices() - graph.devices() + 2);
    for (LinkId link = 0; link < graph.links(); ++link) {
        if (!open[graph.from(link)] || !open[graph.to(link)]) continue;
        const std::uint32_t a = merged(graph.from(link));
        const std::uint32_t b = merged(graph.to(link));
        if (a != b) capacities[a][b] += graph.bandwidth(link);
        if (a != b) capacities[b].try_emplace(a, 0.0);
    }
    return capacities;
}

/// Takes out switches with one or two neighbours: a chain carries what its thinnest part does.
void contract_chains(Capacities& capacities) {
    std::vector<std::uint32_t> open;
    for (std::uint32_t v = 2; v < capacities.size(); ++v) open.push_back(v);
    while (!open.empty()) {
        const std::uint32_t v = open.back();
        open.pop_back();
        auto& around = capacities[v];
        if (around.empty() || around.size() > 2) continue;
        const std::uint32_t a = around.begin()->first;
        const std::uint32_t b = std::next(around.begin(), around.size() == 2 ? 1 : 0)->first;
        const double there = std::min(capacities[a][v], around[b]);
        const double back = std::min(capacities[b][v], around[a]);
        capacities[a].erase(v);
        capacities[b].erase(v);
        around.clear();
        if (a != b) {
            capacities[a][b] += there;
            capacities[b][a] += back;
        }
        for (const std::uint32_t end : {a, b})
            if (end > kSink) open.push_back(end);
    }
}

class Dinic {
  public:
    explicit Dinic(const Capacities& capacities) : first(capacities.size() + 1) {
        for (std::uint32_t v = 0; v < capacities.size(); ++v) first[v + 1] = first[v] + capacities[v].size();
        to.resize(first.back());
        left.resize(first.back());
        back.resize(first.back());
        std::unordered_map<std::uint64_t, std::size_t> place;
        for (std::uint32_t v = 0; v < capacities.size(); ++v) {
            std::vector<std::pair<std::uint32_t, double>> sorted(capacities[v].begin(), capacities[v].end());
            std::sort(sorted.begin(), sorted.end());
            std::size_t at = first[v];
            for (const auto& [other, capacity] : sorted) {
                to[at] = other;
                left[at] = capacity;
                most = std::max(most, capacity);
                place[std::uint64_t{v} << 32U | other] = at++;
            }
        }
        for (std::uint32_t v = 0; v < capacities.size(); ++v)
            for (std::size_t e = first[v]; e < first[v + 1]; ++e)
                back[e] = place.at(std::uint64_t{to[e]} << 32U | v);
    }

    double run() {
        double flow = 0;
        while (label()) {
            next.assign(first.begin(), first.end() - 1);
            while (const double pushed = push()) flow += pushed;
        }
        return flow;
    }

  private:
    [[nodiscard]] bool open(std::size_t edge) const { return left[edge] > most * 1e-12; }

    /// Distances from the source; false when the sink is out of reach.
    bool label() {
        level.assign(first.size() - 1, -1);
        level[kSource] = 0;
        std::vector<std::uint32_t> queue{kSource};
        for (std::size_t i = 0; i < queue.size(); ++i)
            for (std::size_t e = first[queue[i]]; e < first[queue[i] + 1]; ++e)
                if (open(e) && level[to[e]] < 0) {
                    level[to[e]] = level[queue[i]] + 1;
                    queue.push_back(to[e]);
                }
        return level[kSink] >= 0;
    }

    /// One more way from source to sink; what it carries, or 0.
    double push() {
        std::vector<std::size_t> way;
        std::uint32_t at = kSource;
        while (at != kSink) {
            while (next[at] < first[at + 1] && !(open(next[at]) && level[to[next[at]]] == level[at] + 1))
                ++next[at];
            if (next[at] < first[at + 1]) {
                way.push_back(next[at]);
                at = to[next[at]];
            } else if (way.empty()) {
                return 0;
            } else {
                at = to[back[way.back()]];
                ++next[at];
                way.pop_back();
            }
        }
        double least = std::numeric_limits<double>::infinity();
        for (const std::size_t e : way) least = std::min(least, left[e]);
        for (const std::size_t e : way) {
            left[e] -= least;
            left[back[e]] += least;
        }
        return least;
    }

    std::vector<std::size_t> first;  ///< [vertex + 1] into the edges
    std::vector<std::uint32_t> to;
    std::vector<double> left;       ///< what an edge can still carry
    std::vector<std::size_t> back;  ///< the edge the other way
    std::vector<int> level;
    std::vector<std::size_t> next;  ///< [vertex] the edge to try
    double most = 0;
};

}  // namespace

double max_flow(const Graph& graph, const std::vector<bool>& side, bool through_hosts) {
    Capacities capacities = merge_sides(graph, side, through_hosts);
    contract_chains(capacities);
    return Dinic(capacities).run();
}

}  // namespace orrery::topologies
