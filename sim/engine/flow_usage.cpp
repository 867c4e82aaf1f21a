#include "sim/engine/flow_usage.hpp"

#include <algorithm>

namespace orrery::sim {
namespace {

constexpr double kFirstWidth = 1e-6;  ///< s; doubled as often as the step needs

}  // namespace

void FlowUsage::begin(std::size_t links, std::size_t loads) {
    runs.assign(loads, 0);
    wire.assign(links * most_slices, 0);
    width = kFirstWidth;
}

void FlowUsage::moved(std::span<const LinkDemand> footprint, double from_s, double to_s, double speed) {
    if (most_slices == 0 || to_s <= from_s || speed <= 0) return;
    while (to_s > width * static_cast<double>(most_slices)) widen();
    const auto last_slice = static_cast<double>(most_slices - 1);
    const auto first = static_cast<std::size_t>(std::min(last_slice, from_s / width));
    const auto last = static_cast<std::size_t>(std::min(last_slice, to_s / width));
    for (std::size_t slice = first; slice <= last; ++slice) {
        const double begin = std::max(from_s, width * static_cast<double>(slice));
        const double end = slice == last ? to_s : width * static_cast<double>(slice + 1);
        const double seconds = (end - begin) * speed;
        if (seconds <= 0) continue;
        for (const LinkDemand& on : footprint)
            wire[on.link * most_slices + slice] += static_cast<float>(on.demand * seconds);
    }
}

void FlowUsage::widen() {
    width *= 2;
    for (std::size_t begin = 0; begin < wire.size(); begin += most_slices) {
        float* const row = wire.data() + begin;
        for (std::size_t i = 0; i < most_slices / 2; ++i) row[i] = row[2 * i] + row[2 * i + 1];
        std::fill(row + most_slices / 2, row + most_slices, 0.0F);
    }
}

}  // namespace orrery::sim
