// study/layer_prices.hpp
//
// A model's blocks as the searches over partitions see them (schedules/layer_costs.hpp): their times and
// bytes on one GPU under an experiment's tensor parallelism, micro-batch, calibration and cluster.
#pragma once

#include <vector>

#include "schedules/layer_costs.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

struct LayerPrices {
    /// One entry per block; the embedding's costs count to the first, the head's to the last. Choices: keep
    /// everything, recompute selectively, recompute in full (parallel::RecomputePolicy's order), swap to the
    /// partner, swap to the host.
    std::vector<schedules::LayerCost> blocks;
    /// Bytes of a GPU that are left for them: its memory less workspaces and buffers.
    double memory_limit = 0;
};

inline constexpr int kSwapToPartner = 3;  ///< index of that choice
inline constexpr int kSwapToHost = 4;

/// Prices by simulating short 1F1B steps of the experiment, one for each way to recompute, and reading every
/// block's tasks and memory events off the timeline: the same prices that the step itself is made of.
LayerPrices price_layers(const Experiment& experiment);

}  // namespace orrery::study
