// study/replay_links.hpp
//
// What the links carry under the times of engine replay, which lets no transfer wait for another: each moves
// its bytes at its own full speed at the end of its operation. Bytes are those of engine flow; where a link's
// use comes out above 1, transfers meet on it and flow's step is the longer one.
#pragma once

#include "study/experiment.hpp"
#include "study/simulate.hpp"

namespace orrery::study {

/// Fills `simulation.flow` of a run on engine replay, over all ranks, those folded away too. Leaves it of
/// other engines and of one GPU. Costs the lowering of all ranks where the run was folded.
void add_replay_links(const Experiment& experiment, Simulation& simulation);

}  // namespace orrery::study
