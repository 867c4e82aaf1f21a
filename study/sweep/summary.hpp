// study/sweep/summary.hpp
//
// From a store to what is shown of a study.
#pragma once

#include <cstddef>

#include "report/study_summary.hpp"
#include "study/sweep/store.hpp"
#include "study/sweep/study_file.hpp"

namespace orrery::study {

/// Ranks the points, writes the Pareto front into the store and takes the best `most` (0: all of a front) for
/// the summary. Its columns: what was varied and takes more than one value, the objectives, then step time,
/// mfu, bubble ratio and peak memory where they are not among them.
report::StudySummary summarize_study(const Study& study, Store& store, std::size_t most);

}  // namespace orrery::study
