// profiler/fit_gemm.hpp
//
// Fits the models of sim/cost/gemm_cost.hpp to samples: robust least squares of log(predicted / measured).
// A weak prior (a few pseudo-samples' worth) holds each parameter near what the hardware suggests where the
// samples say nothing of it, as with tiles that the library never chose.
#pragma once

#include <functional>
#include <vector>

#include "profiler/samples.hpp"
#include "sim/cost/gemm_cost.hpp"

namespace orrery::profiler {

/// Fits every parameter but `unaligned`, starting from and held weakly by `prior`.
sim::GemmModel fit_gemm(const std::vector<Sample>& samples, const sim::GemmModel& prior,
                        const sim::GemmDevice& device);

enum class LevelOf : std::uint8_t { tiles, power, both };

/// Fits only the level (a common factor on the tiles' efficiency, the power limit, or both); all else as in
/// `shape`.
sim::GemmModel fit_gemm_level(const std::vector<Sample>& samples, const sim::GemmModel& shape,
                              const sim::GemmDevice& device, LevelOf level = LevelOf::both);

/// Fits the grouped model on top of a dense one.
sim::GroupedGemmModel fit_grouped_gemm(const std::vector<Sample>& samples, const sim::GemmModel& dense,
                                       const sim::GemmDevice& device);

/// The tiles and values a fit starts from when nothing better is known.
sim::GemmModel gemm_prior();

/// Relative errors |predicted / measured - 1| summed up.
sim::FitQuality gemm_quality(const std::vector<Sample>& samples, const sim::GemmModel& model,
                             const sim::GemmDevice& device);

/// Fold (0 up to folds - 1) of each sample: the samples of one layer (the two dimensions that are not tokens)
/// share one. Empty when there are fewer layers than folds.
std::vector<int> folds_by_layer(const std::vector<Sample>& samples, int folds);

/// k-fold cross-validation: all samples of one layer (the two dimensions that are not tokens) are held out
/// together. Writes held_out_* of `quality`.
void cross_validate_gemm(const std::vector<Sample>& samples, const sim::GemmModel& prior,
                         const sim::GemmDevice& device, int folds, sim::FitQuality& quality);

}  // namespace orrery::profiler
