// report/gantt_difference.hpp
//
// Where a measured timeline differs from its prediction, as a picture: the measured boxes, coloured by how
// much longer or shorter each task lasted than predicted.
#pragma once

#include <cstddef>
#include <vector>

#include "report/gantt.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

/// [global task] much_shorter to much_longer: from 5% and from 20% of the predicted duration on. A difference
/// of less than a thousandth of the measured makespan is none. A send or collective lasts from when its last
/// member arrived. Both timelines must be of the program.
std::vector<Category> differences(const sim::Timeline& predicted, const sim::Timeline& measured);

/// The measured timeline under those colours; as make_gantt otherwise.
Gantt difference_gantt(const sim::Program& program, const sim::Timeline& predicted,
                       const sim::Timeline& measured, std::size_t most_boxes = kMostGanttBoxes);

}  // namespace orrery::report
