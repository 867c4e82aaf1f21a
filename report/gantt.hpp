// report/gantt.hpp
//
// The picture data of a step: rows (streams of ranks) and boxes (tasks). Chosen and merged so that the page
// stays small: one rank per pipeline device, and, while there are more boxes than allowed, tasks joined per
// layer, then per pass (one micro-batch through one chunk), then only the step's beginning. What was done is
// said in `notes`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "report/task_view.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

/// What boxes of a kind have in common; boxes point to it, so that a box is four numbers.
struct GanttClass {
    std::string name;
    Category category = Category::forward;
    sim::Phase phase = sim::Phase::forward;
    int chunk = 0;
    int slice = 0;
    int layer = -1;    ///< -1: of no layer, or of several
    double bytes = 0;  ///< moved by one task; 0: none, or joined boxes
};

struct GanttBox {
    double start_s = 0;
    double end_s = 0;
    std::uint32_t class_index = 0;
    std::int32_t micro_batch = -1;
};

struct GanttRow {
    std::uint32_t device = 0;          ///< global device number of the rank
    std::int32_t pipeline_device = 0;  ///< position in the pipeline
    std::string stream;                ///< "compute", "tp", "pp-send (device 3)"
    bool compute = false;              ///< drawn taller
    std::vector<GanttBox> boxes;       ///< in order, disjoint
};

struct Gantt {
    std::vector<GanttRow> rows;  ///< by pipeline device, compute first; rows without boxes are left out
    std::vector<GanttClass> classes;
    double makespan_s = 0;  ///< of the whole timeline
    /// The time axis ends here: the makespan, or that of the longest step beside which this one is shown.
    double axis_s = 0;
    std::vector<std::string> notes;

    [[nodiscard]] std::size_t boxes() const;
};

inline constexpr std::size_t kMostGanttBoxes = 300'000;

/// `categories`: of every global task, where the picture shows something else than category_of; else empty.
Gantt make_gantt(const sim::Program& program, const sim::Timeline& timeline,
                 std::size_t most_boxes = kMostGanttBoxes, std::span<const Category> categories = {});

}  // namespace orrery::report
