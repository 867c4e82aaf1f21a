#include "report/html/memory_picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "report/html/axis.hpp"
#include "report/html/memory_colours.hpp"
#include "report/html/svg.hpp"
#include "report/memory_words.hpp"
#include "report/result.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr double kWidth = 1100, kLeft = 128, kRight = 70, kPanel = 74, kGap = 12, kTop = 26, kBottom = 30;
constexpr std::size_t kHovered = 2;  ///< slices that share a tooltip

class Picture {
  public:
    explicit Picture(const MemoryOverTime& memory) : memory_(memory) {
        for (const MemoryOverTime::Rank& rank : memory.ranks) {
            for (const sim::BytesByKind& bytes : rank.slices) {
                most_ = std::max(most_, total_bytes(bytes));
                for (std::size_t kind = 0; kind < bytes.size(); ++kind) used_[kind] |= bytes[kind] > 0;
            }
        }
        // The capacity sets the scale unless the memory is mostly empty.
        constexpr double kMostlyEmpty = 0.25;
        if (most_ >= kMostlyEmpty * memory.capacity_bytes) most_ = std::max(most_, memory.capacity_bytes);
    }

    std::string draw() {
        const double height = kTop + kBottom + (kPanel + kGap) * static_cast<double>(memory_.ranks.size());
        Svg svg(kWidth, height, "Memory over the step");
        legend(svg);
        double y = kTop;
        for (const MemoryOverTime::Rank& rank : memory_.ranks) {
            panel(svg, rank, y);
            y += kPanel + kGap;
        }
        time_axis(svg, y - kGap);
        return svg.str();
    }

  private:
    [[nodiscard]] double end_s() const { return memory_.slice_s * static_cast<double>(kMemorySlices); }
    [[nodiscard]] double x_of(std::size_t slice) const {
        return kLeft +
               (kWidth - kLeft - kRight) * static_cast<double>(slice) / static_cast<double>(kMemorySlices);
    }

    void legend(Svg& svg) const {
        double x = kLeft;
        for (std::size_t kind = 0; kind < used_.size(); ++kind) {
            if (!used_[kind]) continue;
            const std::string name = memory_kind_name(kind);
            svg.rectangle(x, 4, 10, 10, memory_kind_colour(kind));
            svg.text(x + 14, 13, name);
            x += 34 + 6.4 * static_cast<double>(name.size());
        }
    }

    void panel(Svg& svg, const MemoryOverTime::Rank& rank, double top) const {
        const Axis y(0, most_, top + kPanel, top);
        svg.text(kLeft - 8, top + kPanel / 2 + 4,
                 fmt::format("stage {}, rank {}", rank.pipeline_device, rank.device), Anchor::end);
        std::vector<double> below(rank.slices.size(), 0);
        for (std::size_t kind = 0; kind < used_.size(); ++kind) {
            if (!used_[kind]) continue;
            std::vector<double> above = below;
            for (std::size_t s = 0; s < above.size(); ++s) above[s] += rank.slices[s][kind];
            svg.path(area(below, above, y), memory_kind_colour(kind));
            below = std::move(above);
        }
        svg.line(kLeft, top + kPanel, kWidth - kRight, top + kPanel, "grid");
        if (memory_.capacity_bytes > 0 && memory_.capacity_bytes <= most_)
            svg.line(kLeft, y(memory_.capacity_bytes), kWidth - kRight, y(memory_.capacity_bytes), "limit");
        const double peak = below.empty() ? 0 : *std::max_element(below.begin(), below.end());
        svg.text(kWidth - kRight + 6, y(peak) + 4, bytes(peak), Anchor::start, "small");
        tooltips(svg, rank, top);
    }

    /// Between two step curves.
    [[nodiscard]] std::string area(const std::vector<double>& below, const std::vector<double>& above,
                                   const Axis& y) const {
        std::string data = fmt::format("M{:.1f} {:.1f}", x_of(0), y(below.front()));
        for (std::size_t s = 0; s < above.size(); ++s)
            data += fmt::format("V{:.1f}H{:.1f}", y(above[s]), x_of(s + 1));
        for (std::size_t s = below.size(); s-- > 0;)
            data += fmt::format("V{:.1f}H{:.1f}", y(below[s]), x_of(s));
        return data + "Z";
    }

    void tooltips(Svg& svg, const MemoryOverTime::Rank& rank, double top) const {
        for (std::size_t s = 0; s < rank.slices.size(); s += kHovered) {
            const std::size_t end = std::min(s + kHovered, rank.slices.size());
            const sim::BytesByKind& held = *std::max_element(
                rank.slices.begin() + static_cast<std::ptrdiff_t>(s),
                rank.slices.begin() + static_cast<std::ptrdiff_t>(end),
                [](const auto& a, const auto& b) { return total_bytes(a) < total_bytes(b); });
            std::string text = fmt::format("{}: {}", duration(memory_.slice_s * static_cast<double>(s)),
                                           bytes(total_bytes(held)));
            for (std::size_t kind = 0; kind < held.size(); ++kind)
                if (held[kind] > 0) text += fmt::format(", {} {}", memory_kind_name(kind), bytes(held[kind]));
            svg.rectangle(x_of(s), top, x_of(end) - x_of(s), kPanel, "clear", text);
        }
    }

    void time_axis(Svg& svg, double y) const {
        const Axis x(0, end_s(), kLeft, kWidth - kRight);
        for (const double tick : linear_ticks(end_s(), 8)) {
            svg.line(x(tick), y, x(tick), y + 5, "grid");
            svg.text(x(tick), y + 18, trimmed(duration(tick)), Anchor::middle);
        }
    }

    const MemoryOverTime& memory_;
    double most_ = 0;
    std::array<bool, sim::BytesByKind{}.size()> used_{};
};

}  // namespace

std::string memory_picture(const MemoryOverTime& memory) {
    if (memory.ranks.empty()) return "";
    return Picture(memory).draw();
}

}  // namespace orrery::report
