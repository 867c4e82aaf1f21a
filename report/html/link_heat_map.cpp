#include "report/html/link_heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "report/html/axis.hpp"
#include "report/html/svg.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr double kWidth = 1100, kLeft = 250, kRight = 60, kRow = 16, kTop = 18, kHead = 22, kBottom = 44;
constexpr int kShades = 10;

std::string caption_of(const LinkResult& link) {
    return link.links > 1 ? fmt::format("{} (and {} alike)", link.name, link.links - 1) : link.name;
}

/// A shade of the style sheet: h0 (idle) to h10 (full).
std::string shade_of(double share) {
    return fmt::format("h{}", std::clamp(static_cast<int>(std::lround(share * kShades)), 0, kShades));
}

class HeatMap {
  public:
    explicit HeatMap(const NetworkResult& network) : network_(network) {
        for (const char* tier : {"network", "node", "host"}) {
            std::vector<const LinkResult*> links;
            for (const LinkResult& link : network.hottest)
                if (link.tier == tier) links.push_back(&link);
            if (!links.empty()) tiers_.emplace_back(tier, std::move(links));
        }
        for (const LinkResult& link : network.hottest) slices_ = std::max(slices_, link.over_time.size());
    }

    std::string draw() {
        if (tiers_.empty() || slices_ == 0) return "";
        Svg svg(kWidth, height(), "How busy the links were over the step");
        double y = kTop;
        for (const auto& [tier, links] : tiers_) {
            svg.text(8, y + 14, title_of(tier), Anchor::start, "faint");
            y += kHead;
            for (const LinkResult* link : links) {
                row(svg, y, *link);
                y += kRow;
            }
        }
        time_axis(svg, y);
        return svg.str();
    }

  private:
    static std::string title_of(const std::string& tier) {
        if (tier == "network") return "links between nodes";
        return tier == "node" ? "links inside nodes" : "links to hosts";
    }

    double height() const {
        double total = kTop + kBottom;
        for (const auto& [tier, links] : tiers_) total += kHead + kRow * static_cast<double>(links.size());
        return total;
    }
    double x_of(std::size_t slice) const {
        return kLeft + (kWidth - kLeft - kRight) * static_cast<double>(slice) / static_cast<double>(slices_);
    }

    void row(Svg& svg, double y, const LinkResult& link) const {
        svg.text(kLeft - 8, y + 12, caption_of(link), Anchor::end);
        for (std::size_t s = 0; s < link.over_time.size(); ++s) {
            const double share = link.over_time[s];
            svg.rectangle(
                x_of(s), y + 1, x_of(s + 1) - x_of(s), kRow - 2, shade_of(share),
                fmt::format("{}, {} to {}: {}", link.name,
                            duration(network_.slice_s * static_cast<double>(s)),
                            duration(network_.slice_s * static_cast<double>(s + 1)), percent(share)));
        }
        svg.text(kWidth - kRight + 8, y + 12, percent(link.utilisation));
    }

    void time_axis(Svg& svg, double y) const {
        const double end = network_.slice_s * static_cast<double>(slices_);
        const Axis x(0, end, kLeft, kWidth - kRight);
        for (const double tick : linear_ticks(end, 8)) {
            svg.line(x(tick), y, x(tick), y + 5, "grid");
            svg.text(x(tick), y + 18, trimmed(duration(tick)), Anchor::middle);
        }
        svg.text(kWidth - kRight + 8, kTop + 14, "of the step", Anchor::start, "small");
    }

    const NetworkResult& network_;
    std::vector<std::pair<std::string, std::vector<const LinkResult*>>> tiers_;
    std::size_t slices_ = 0;
};

}  // namespace

std::string link_heat_map(const NetworkResult& network) {
    return HeatMap(network).draw();
}

}  // namespace orrery::report
