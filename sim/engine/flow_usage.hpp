// sim/engine/flow_usage.hpp
//
// What the links carried: how often each load ran, and each link's use over time in equal slices. The slices
// are as many as asked for at most; where the step grows beyond them, neighbours are joined, so that one pass
// suffices and memory does not depend on the step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine/flow_shares.hpp"

namespace orrery::sim {

class FlowUsage {
  public:
    /// `slices`: at least 2, even; 0 counts loads only.
    explicit FlowUsage(std::size_t slices = 0) : most_slices(slices) {}

    void begin(std::size_t links, std::size_t loads);
    /// The load moved at `speed` (see flow_shares.hpp) from one time to another.
    void moved(std::span<const LinkDemand> footprint, double from_s, double to_s, double speed);
    void ended(std::uint32_t load) { ++runs[load]; }

    /// [load] how often it ran.
    [[nodiscard]] const std::vector<std::uint32_t>& load_runs() const { return runs; }
    [[nodiscard]] std::size_t slices() const { return most_slices; }
    [[nodiscard]] double slice_s() const { return width; }
    /// Bytes on the wire over the link in each slice.
    [[nodiscard]] std::span<const float> of_link(std::size_t link) const {
        return std::span(wire).subspan(link * most_slices, most_slices);
    }

  private:
    void widen();

    std::size_t most_slices = 0;
    double width = 0;
    std::vector<std::uint32_t> runs;
    std::vector<float> wire;  ///< [link * slices + slice]
};

}  // namespace orrery::sim
