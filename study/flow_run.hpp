// study/flow_run.hpp
//
// An experiment on the engine flow: which ranks are simulated, what the faults' names mean, and what the
// links carried.
#pragma once

#include <string>
#include <vector>

#include "parallel/lower.hpp"
#include "report/result.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/engine/flow.hpp"
#include "sim/engine/flow_folding.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// What the experiment's keys say about kernels alone: stragglers and jitter. Throws InputError at the key
/// when a GPU is not of the cluster.
sim::Disturbances kernel_disturbances(const Experiment& experiment);

/// The links' use, for the reports.
struct FlowRecord {
    sim::FlowLoads loads;
    sim::FlowUsage usage{kSlices};
    static constexpr std::size_t kSlices = 240;
};

struct FlowOutcome {
    sim::Timeline timeline;
    FlowRecord record;
};

/// The links of a folded program, if folding can be proved to change nothing; `whole` is the same, not
/// folded.
sim::FoldedLoads folded_loads(const Experiment& experiment, const sim::Program& folded,
                              const sim::Program& whole);

/// The links of a program of which every rank is simulated.
sim::FlowLoads whole_loads(const Experiment& experiment, const sim::Program& program);

/// Runs the engine. Throws InputError at a fault's key when its link or GPU does not exist.
FlowOutcome run_flow(const Experiment& experiment, const sim::Program& program, const sim::WorkCosts& costs,
                     sim::FlowLoads loads);

/// The part of the result about links.
report::NetworkResult network_result(const sim::Program& program, const FlowRecord& record,
                                     double step_time_s);

/// A picture of the cluster, each link in a shade by its use over the step, between nodes and
/// inside them relative to the busiest there: for the report's page (an <svg>).
std::string network_picture(const topologies::Cluster& cluster, const sim::Program& program,
                            const FlowRecord& record, double step_time_s);

}  // namespace orrery::study
