// parallel/overlap.hpp
//
// Actions that run as one overlapped unit (DualPipe's F&B, Megatron's combined 1F1B): their tasks, lowered
// one action after the other, are put into the order in which one host would issue them so that the compute
// of one action runs beside the communication of the other. Each action is cut where its compute waits for
// one of its own communications; the parts then follow each other in turn, a part that depends on one of
// another action behind that. Within an action nothing changes place, and dependencies stay what they were.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/program.hpp"

namespace orrery::parallel {

/// bounds[i] to bounds[i+1]: the tasks of the i-th action of a unit.
using UnitBounds = std::vector<std::uint32_t>;

/// Reorders the tasks of a rank program, whose units do not meet. Operations of a communicator are numbered
/// anew in issue order. Returns the tasks' former numbers in their new order; nothing without units.
std::vector<std::uint32_t> overlap_units(sim::RankProgram& program, const std::vector<UnitBounds>& units);

/// The values of these places.
template <class T>
std::vector<T> in_order(const std::vector<T>& values, const std::vector<std::uint32_t>& order) {
    std::vector<T> result;
    result.reserve(order.size());
    for (const std::uint32_t place : order) result.push_back(values[place]);
    return result;
}

}  // namespace orrery::parallel
