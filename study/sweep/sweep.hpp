// study/sweep/sweep.hpp
//
// Runs the points of a study on all cores and keeps what came of each.
//
// What is stored does not depend on the number of threads, on interruptions or on the order in which points
// were finished. Pruning compares only with points of earlier waves, whose size is fixed, for the same
// reason.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "study/sweep/store.hpp"
#include "study/sweep/study_file.hpp"
#include "study/sweep/team.hpp"

namespace orrery::study {

struct SweepOptions {
    int jobs = 0;  ///< threads; 0: all cores
    /// Only the best `prune_to` are asked for: points are simulated in the order of their bounds until that
    /// many are better than the next bound; points too large for their parameters alone are not simulated at
    /// all. 0: every point is. Has an effect only where can_prune.
    std::size_t prune_to = 0;
    std::function<void(std::uint64_t)> advance;  ///< told how many more points are done; from any thread.
                                                 ///< What it throws ends the sweep; what is done is stored
};

/// One point, alone: its row of the store.
PointRow run_point(const Study& study, std::uint64_t point);

/// Whether pruning is possible: one objective, and that is to minimize step_time_s or to maximize
/// tokens_per_s or tokens_per_s_per_gpu.
bool can_prune(const Study& study);

/// Runs every point that the store does not hold yet. Mistakes of single points become their rows; an
/// expression that fails for a point throws InputError.
void sweep(const Study& study, Store& store, const SweepOptions& options);

/// The same by a team whose processes all call it, each with a store of its own that takes what it ran; the
/// first one's store says what was there before. Throws ElsewhereError in the others when one fails.
void sweep(const Study& study, Store& store, const SweepOptions& options, Team& team);

/// [point] whether the first process's store holds it, in every process.
std::vector<bool> done_by_all(Store& store, std::uint64_t points, Team& team);

/// The points that `objective` asks for, best first: all with status ok by their value for one objective, the
/// Pareto front for several.
struct Ranked {
    std::uint64_t point = 0;
    std::vector<double> values;  ///< [objective]
};
std::vector<Ranked> rank(const Study& study, Store& store);

}  // namespace orrery::study
