// study/numeric_check.hpp
//
// An experiment's program checked by its mathematics (study/numeric/check.hpp): lowered as it is simulated,
// with every rank, and executed in the simulated order and others. A model too large to compute with in
// double precision is made small in what its tensors are, not in what its tasks are: layers, degrees, batch
// in micro-batches, schedule and options stay; widths, vocabulary, tokens and sequences of a micro-batch
// shrink, and gradient buckets with them.
#pragma once

#include "report/numeric_check.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

/// Throws ExperimentError for models and plans that the check does not compute, or that are too large even
/// so; else as simulate.
report::NumericCheck check_numerically(const Experiment& experiment, int random_orders);

}  // namespace orrery::study
