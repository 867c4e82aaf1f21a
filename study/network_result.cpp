// What the links carried in a step, and which of them were busiest.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "report/units.hpp"
#include "study/flow_run.hpp"
#include "topologies/picture.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kHottestOfATier = 8;

std::string_view tier_of(const sim::FlowLink& link) {
    return link.to_host ? "host" : link.between_nodes ? "network" : "node";
}

std::string kind_of(const sim::Work& work) {
    const auto* collective = std::get_if<sim::Collective>(&work);
    return collective == nullptr ? "copy" : std::string(to_string(collective->kind));
}

/// [link] bytes of payload; adds up the result's sums on the way.
std::vector<double> bytes_of_links(const sim::Program& program, const FlowRecord& record,
                                   report::NetworkResult& result) {
    const sim::FlowLoads& loads = record.loads;
    std::map<std::string, std::array<double, 2>> by_kind;  // over node links and over the network
    std::map<std::string, double> by_tier;
    std::vector<double> bytes(loads.links.size(), 0);
    for (const sim::FlowLoads::Use& use : loads.uses) {
        const double runs = record.usage.load_runs()[use.load];
        const sim::FlowLoad& load = loads.loads[use.load];
        for (std::uint32_t i = load.first; i < load.first + load.size; ++i) {
            const sim::FlowLink& link = loads.links[loads.demands[i].link];
            const double moved = runs * loads.payload[i];
            bytes[loads.demands[i].link] += moved;
            by_tier[std::string(tier_of(link))] += moved * link.multiplicity;
            by_kind[kind_of(program.works[use.work])][link.between_nodes ? 1 : 0] +=
                moved * link.multiplicity;
        }
    }
    for (const auto& [tier, sum] : by_tier) result.bytes_by_tier.emplace_back(tier, sum);
    for (const auto& [kind, sums] : by_kind) result.by_kind.push_back({kind, sums[0], sums[1]});
    return bytes;
}

class HottestLinks {
  public:
    HottestLinks(const FlowRecord& record, const std::vector<double>& bytes, double step_time_s)
        : record_(record), bytes_(bytes), step_time_s_(step_time_s) {}

    /// The busiest links of each tier, the busiest first. Links that were busy alike, at the same times, are
    /// one line.
    std::vector<report::LinkResult> find() {
        std::vector<std::uint32_t> order;
        std::vector<double> use(bytes_.size(), 0);
        for (std::uint32_t link = 0; link < bytes_.size(); ++link) {
            if (bytes_[link] <= 0) continue;
            order.push_back(link);
            use[link] = utilisation(link);
        }
        std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
            return use[a] != use[b] ? use[a] > use[b] : a < b;
        });
        for (const std::uint32_t link : order) add(link, use[link]);
        return std::move(found_);
    }

  private:
    double utilisation(std::uint32_t link) const {
        double wire = 0;
        for (const float slice : record_.usage.of_link(link)) wire += slice;
        return step_time_s_ > 0 ? wire / (record_.loads.capacity[link] * step_time_s_) : 0;
    }

    std::vector<double> over_time(std::uint32_t link) const {
        const double width = record_.usage.slice_s();
        std::vector<double> shares;
        const auto slices = record_.usage.of_link(link);
        for (std::size_t s = 0; s < slices.size() && width * static_cast<double>(s) < step_time_s_; ++s)
            shares.push_back(slices[s] / (record_.loads.capacity[link] * width));
        return shares;
    }

    static bool alike(const report::LinkResult& a, const report::LinkResult& b) {
        constexpr double kAlike = 1e-3;
        if (a.tier != b.tier || std::abs(a.utilisation - b.utilisation) > kAlike) return false;
        return std::equal(a.over_time.begin(), a.over_time.end(), b.over_time.begin(), b.over_time.end(),
                          [](double x, double y) { return std::abs(x - y) <= kAlike; });
    }

    void add(std::uint32_t link, double use) {
        report::LinkResult one;
        one.tier = tier_of(record_.loads.links[link]);
        std::size_t& lines = lines_[one.tier];
        // Beyond the last line there is nothing to join: those that follow are less busy.
        if (lines >= kHottestOfATier && use < last_use_[one.tier] - 2e-3) return;
        one.name = record_.loads.name(link);
        one.links = record_.loads.links[link].multiplicity;
        one.bytes = bytes_[link];
        one.utilisation = use;
        one.over_time = over_time(link);
        for (report::LinkResult& known : found_)
            if (alike(known, one)) {
                known.links += one.links;
                return;
            }
        if (lines >= kHottestOfATier) return;
        ++lines;
        last_use_[one.tier] = use;
        found_.push_back(std::move(one));
    }

    const FlowRecord& record_;
    const std::vector<double>& bytes_;
    double step_time_s_;
    std::vector<report::LinkResult> found_;
    std::map<std::string, std::size_t> lines_;
    std::map<std::string, double> last_use_;  ///< [tier] of the last line
};

}  // namespace

report::NetworkResult network_result(const sim::Program& program, const FlowRecord& record,
                                     double step_time_s) {
    report::NetworkResult result;
    const std::vector<double> bytes = bytes_of_links(program, record, result);
    result.hottest = HottestLinks(record, bytes, step_time_s).find();
    result.slice_s = record.usage.slice_s();
    return result;
}

std::string network_picture(const topologies::Cluster& cluster, const sim::Program& program,
                            const FlowRecord& record, double step_time_s) {
    const topologies::Graph* graph = record.loads.wires.get();
    if (graph == nullptr || step_time_s <= 0) return "";
    report::NetworkResult unused;
    const std::vector<double> bytes = bytes_of_links(program, record, unused);
    struct Use {
        double mean = 0;
        double most = 0;
    };
    std::vector<Use> uses(record.loads.links.size());
    std::array<double, 2> most{};  // inside nodes, between them
    const auto sort = [&](topologies::LinkId link) {
        return graph->tier(link) >= topologies::Tier::nic ? 1U : 0U;
    };
    for (std::size_t link = 0; link < uses.size(); ++link) {
        double wire = 0;
        for (const float slice : record.usage.of_link(link)) {
            wire += slice;
            uses[link].most = std::max<double>(uses[link].most, slice);
        }
        uses[link].mean = wire / (record.loads.capacity[link] * step_time_s);
        uses[link].most /= record.loads.capacity[link] * record.usage.slice_s();
        const std::uint32_t first = record.loads.links[link].link;
        if (first < graph->links()) most[sort(first)] = std::max(most[sort(first)], uses[link].mean);
    }
    if (most[0] <= 0 && most[1] <= 0) return "";
    topologies::ClusterHeat heat;
    heat.darkest = most[1] <= 0   ? report::percent(most[0])
                   : most[0] <= 0 ? report::percent(most[1])
                                  : fmt::format("{} between nodes, {} inside", report::percent(most[1]),
                                                report::percent(most[0]));
    heat.links.resize(graph->links());
    for (topologies::LinkId link = 0; link < graph->links(); ++link) {
        const std::size_t at = record.loads.class_of.empty() ? link : record.loads.class_of[link];
        if (bytes[at] <= 0) continue;
        heat.links[link] = {
            // Rounded: which of two equally busy links is drawn first must not hang on the last bit.
            std::round(uses[at].mean / most[sort(link)] * 1e4) / 1e4,
            fmt::format("{}: {}, {} of the step, {} of its busiest {}", graph->link_name(link),
                        report::bytes(bytes[at]), report::percent(uses[at].mean),
                        report::percent(uses[at].most), report::duration(record.usage.slice_s()))};
    }
    return topologies::cluster_heat_svg(cluster, *graph, heat);
}

}  // namespace orrery::study
