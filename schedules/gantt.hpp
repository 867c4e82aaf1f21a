// schedules/gantt.hpp
//
// What both pictures of a bare schedule share: the boxes.
#pragma once

#include <string>
#include <vector>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

/// One action as it is drawn.
struct GanttBox {
    double start = 0;
    double end = 0;
    ActionKind kind = ActionKind::forward;
    int micro_batch = 0;
    int slice = 0;
    /// 0: first chunk (first direction, where there are two); higher ones are drawn in lighter shades.
    int shade = 0;
    /// Position within an overlapped unit and its size; {0, 1} for a single action.
    int part = 0;
    int parts = 1;
};

/// The boxes of one device in order of their start. Evictions and loads run beside the others.
std::vector<GanttBox> gantt_boxes(const Schedule& schedule, const Evaluation& evaluation, int device);

/// How many shades a schedule needs: chunks times directions.
int gantt_shades(const Schedule& schedule);

/// "5", or "5.1" where sequences are sliced.
std::string gantt_label(const Schedule& schedule, const GanttBox& box);

}  // namespace orrery::schedules
