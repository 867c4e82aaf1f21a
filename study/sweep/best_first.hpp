// study/sweep/best_first.hpp
//
// Branch and bound over a study whose best points alone are asked for.
#pragma once

#include "study/sweep/sweep.hpp"

namespace orrery::study {

/// Finds a bound for every point, then simulates in the order of the bounds until `options.prune_to` points
/// are better than the next bound; the rest is stored as pruned. Rows that the store holds already stay and
/// count as found where they stand in that order, so that the table does not depend on threads, processes or
/// interruptions. Precondition: can_prune(study).
void sweep_best_first(const Study& study, Store& store, const SweepOptions& options, Team& team);

}  // namespace orrery::study
