// profiler/fit_collectives.hpp
//
// From measured collectives to a collective calibration: the most probable parameters of the model in
// sim/cost/collective_calibration.hpp, given the samples and a prior.
//
// Least squares in log time. With parameters p > 0 and x = ln p it minimises
//   sum_samples w rho(ln(model(x) / measured) / 0.05) + sum_parameters ((x - x_prior) / sigma)^2
// by Levenberg-Marquardt (Marquardt 1963) with a numerical Jacobian; rho is Cauchy's, so that single bad
// measurements do not pull. The prior (NCCL's own tuner figures, or a sister's calibration) decides what the
// samples leave open; where they speak, they outweigh it. Samples below 1 MiB count a third.
//
// A process that drives several GPUs launches on one after the other, so its small sizes measure launches,
// not the collective. Each such source has a launch time a GPU, fitted beside and not kept in the
// calibration: measured = max(model, launch x GPUs a process).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "profiler/collective_samples.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "topologies/cluster.hpp"

namespace orrery::profiler {

struct CollectiveError {
    CollectiveSample sample;
    double predicted_s = 0;  ///< the launches of its process included
    [[nodiscard]] double relative() const { return predicted_s / sample.time_s - 1; }
};

struct CollectiveFit {
    sim::CollectiveCalibration calibration;
    std::map<std::string, double> launch_s;  ///< by publication: of one GPU by a process of several
    std::vector<CollectiveError> errors;     ///< of the samples that were fitted
};

/// NCCL's tuner figures as a calibration (src/graph/tuning.cc of NCCL 2.8 and 2.18), for priors. `nvls`: from
/// Hopper on.
sim::CollectiveCalibration tuner_prior(bool nvls);

/// Fits `samples`, all taken on nodes like `cluster`'s, starting from `prior`. The result has the prior's
/// name; its provenance lists the samples' sources. Throws InputError when there are no samples, or one has
/// more GPUs a node than the cluster.
CollectiveFit fit_collectives(std::span<const CollectiveSample> samples, const topologies::Cluster& cluster,
                              const sim::CollectiveCalibration& prior);

/// Splits the samples into `folds` (each source's sizes in turn), fits each time all but one and predicts
/// that one: errors on samples that were not seen.
std::vector<CollectiveError> cross_validate(std::span<const CollectiveSample> samples,
                                            const topologies::Cluster& cluster,
                                            const sim::CollectiveCalibration& prior, int folds = 3);

/// What a calibration says of samples that it was not fitted to, all taken on nodes like `cluster`'s: errors
/// without the launches of processes that drive several GPUs. Throws InputError as fit_collectives does.
std::vector<CollectiveError> predict_collectives(std::span<const CollectiveSample> samples,
                                                 const topologies::Cluster& cluster,
                                                 const sim::CollectiveCalibration& calibration);

/// Median and 90th percentile of the absolute errors by collective, nodes and size (below and from 1 MiB;
/// with `by_decade`, by decade of bytes).
std::vector<sim::CalibrationResidual> summarise(std::span<const CollectiveError> errors, bool held_out,
                                                bool by_decade = false);

}  // namespace orrery::profiler
