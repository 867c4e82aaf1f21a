// study/collective_choice.hpp
//
// The experiment's key `collectives`: which algorithm and protocol carry out each kind of collective. What it
// leaves open is chosen as NCCL's tuner does, by the calibration.
//
//     collectives: {all-reduce: ring, all-gather: {algorithm: ring, protocol: LL128}}
#pragma once

#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/schema.hpp"
#include "report/result.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/forced_collectives.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

struct Simulation;

/// One key a kind; of each kind only the algorithms that can do it.
const schema::Table<sim::ForcedCollectives>& collectives_table();

/// The cluster's collective calibration with what the experiment forces. Every price of a collective is
/// from here.
std::shared_ptr<const sim::CollectiveCalibration> collectives_of(const Experiment& experiment,
                                                                 std::size_t kind = 0);

/// The same mistake, at the place of the key that forces the collective; `error` as it is where it is of
/// something else. (The price of a group alone knows whether the algorithm can do it there.)
InputError at_forced_key(const Experiment& experiment, const InputError& error);

/// "all-reduce by ring LL, all-gather by tree": what is forced, or empty.
std::string describe(const sim::ForcedCollectives& forced);

/// How each kind of collective of the step was carried out, over all GPUs.
std::vector<report::CollectiveUse> collective_uses(const Experiment& experiment,
                                                   const Simulation& simulation);

}  // namespace orrery::study
