// report/html/pages.hpp
//
// The pages: of one run, of a comparison, of a validation, of a study. Each returns the whole HTML text.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "report/gantt.hpp"
#include "report/html/page.hpp"
#include "report/memory_over_time.hpp"
#include "report/result.hpp"
#include "report/study_report.hpp"
#include "report/validation.hpp"

namespace orrery::report {

/// One column of a comparison. The Gantt chart is made while the program is at hand (`make_gantt` with
/// kMostGanttBoxes / number of runs); leave it empty to show none.
struct ComparedRun {
    Result result;
    std::optional<Gantt> gantt;
};

/// The page of one run, to be added to.
Page run_content(const Result& result, const Gantt& gantt, const MemoryOverTime& memory,
                 Drawing drawing = default_drawing());
std::string run_page(const Result& result, const Gantt& gantt, const MemoryOverTime& memory,
                     Drawing drawing = default_drawing());
std::string comparison_page(std::span<const ComparedRun> runs, Drawing drawing = default_drawing());
std::string validation_page(const Validation& validation, Drawing drawing = default_drawing());
std::string study_page(const StudyReport& study, Drawing drawing = default_drawing());

}  // namespace orrery::report
