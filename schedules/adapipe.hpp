// schedules/adapipe.hpp
//
// AdaPipe (Sun et al. 2024, "AdaPipe: Optimizing Pipeline Parallelism with Adaptive Recomputation and
// Partitioning"): which layers each stage holds and which of their activations it computes again, so that
// every stage fits into memory and the batch takes the least time in 1F1B order.
//
// Two nested searches. Inside: for a stage's layers and the micro-batches it has in flight, the choice per
// layer with the least extra time that fits; a front of (bytes, extra time) that no other choice beats,
// extended layer by layer. Outside: from the last stage back, for every first layer of a stage the pairs
// (warm-up, ending, slowest stage) that no other cut beats in all three. Both fronts are kept whole, so that
// the result is the optimum of pipeline_time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "schedules/layer_costs.hpp"

namespace orrery::schedules {

struct AdaPipeProblem {
    std::vector<LayerCost> layers;
    int stages = 1;
    int micro_batches = 1;
    double communication = 0;  ///< s, one micro-batch between neighbouring stages
    double memory_limit = 0;   ///< bytes on every device
    double seconds = 0;        ///< time the search may take; 0: as long as it needs
    std::function<void(const std::string&)> progress = nullptr;
};

/// The best plan. Throws InputError: key "stages" for more stages than layers, "microbatches" for fewer
/// micro-batches than stages, "memory-limit" when nothing fits, "time-limit" when time ran out before there
/// was a plan.
PartitionPlan adapipe_search(const AdaPipeProblem& problem);

}  // namespace orrery::schedules
