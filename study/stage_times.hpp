// study/stage_times.hpp
//
// How long a pipeline device works on a micro-batch: what the schedules that search (zb-auto, zb-v) want to
// know, and what the zero-bubble papers measure in their first iterations (Qi et al. 2024, section 3.1).
#pragma once

#include "study/experiment.hpp"

namespace orrery::study {

/// Seconds of one micro-batch on the device in the middle of the pipeline, all its chunks together.
struct StageTimes {
    double forward_s = 0;
    double backward_input_s = 0;
    double backward_weight_s = 0;
    double transfer_s = 0;  ///< one activation to the next device; 0 without a pipeline
};

/// The prices of the experiment's own kernels and collectives, without waiting or contention. Throws
/// ExperimentError as `simulate` does.
StageTimes stage_times(const Experiment& experiment);

}  // namespace orrery::study
