#include "schedules/gantt.hpp"

#include <fmt/format.h>

namespace orrery::schedules {

std::vector<GanttBox> gantt_boxes(const Schedule& schedule, const Evaluation& evaluation, int device) {
    const auto& order = schedule.orders[device];
    std::vector<GanttBox> boxes;
    boxes.reserve(order.size());
    for (std::size_t first = 0; first < order.size();) {
        std::size_t last = first + 1;
        if (order[first].overlap >= 0)
            while (last < order.size() && order[last].overlap == order[first].overlap) ++last;
        for (std::size_t i = first; i < last; ++i) {
            const Action& action = order[i];
            GanttBox box;
            box.start = evaluation.start[device][i];
            box.end = evaluation.end[device][i];
            box.kind = action.kind;
            box.micro_batch = action.micro_batch;
            box.slice = action.slice;
            box.shade = action.stage / schedule.devices + action.direction * schedule.chunks;
            box.part = static_cast<int>(i - first);
            box.parts = static_cast<int>(last - first);
            boxes.push_back(box);
        }
        first = last;
    }
    return boxes;
}

int gantt_shades(const Schedule& schedule) {
    return schedule.chunks * static_cast<int>(schedule.placement.size());
}

std::string gantt_label(const Schedule& schedule, const GanttBox& box) {
    return schedule.slices > 1 ? fmt::format("{}.{}", box.micro_batch, box.slice)
                               : fmt::format("{}", box.micro_batch);
}

}  // namespace orrery::schedules
