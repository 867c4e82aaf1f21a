// study/sweep/study_report.hpp
//
// From a store to the page of a study.
#pragma once

#include <cstddef>
#include <string>

#include "report/study_report.hpp"
#include "study/sweep/store.hpp"
#include "study/sweep/study_file.hpp"

namespace orrery::study {

struct StudyReportOptions {
    std::size_t charts = 5;  ///< of so many points the step is simulated again for its Gantt chart
    std::string rerun;       ///< report::StudyReport::rerun
};

/// Every point that was simulated and meets the conditions (`ok` and `too_large`), the ranked ones first. The
/// columns: settings that take several values, the objectives, then the figures that do. Gantt charts: of the
/// best points, or of points spread evenly over the front of several objectives.
report::StudyReport report_study(const Study& study, Store& store, report::StudySummary summary,
                                 const StudyReportOptions& options);

}  // namespace orrery::study
