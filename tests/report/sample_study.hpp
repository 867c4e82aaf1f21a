// tests/report/sample_study.hpp
//
// A study of random points with every kind of column.
#pragma once

#include <random>

#include "report/study_report.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report::testing {

inline StudyReport sample_study(std::size_t points, unsigned seed = 1) {
    std::mt19937 random(seed);
    StudyReport study;
    study.summary.name = "sample";
    study.summary.description = "random points";
    study.summary.points = points;
    study.summary.counts = {{"ok", "", points}, {"illegal", "parallel.tp: too much", 3}};
    study.summary.objectives = {{"step_time_s", true}, {"mfu", false}};
    study.summary.front = true;
    study.columns = {{"parallel.tp", true, Better::neither},     {"schedule.name", true, Better::neither},
                     {"step_time_s", false, Better::less},       {"mfu", false, Better::more},
                     {"memory.peak_bytes", false, Better::less}, {"goodput.expected", false, Better::more}};
    const std::vector<std::string> schedules{"1f1b", "gpipe", "zb-h1"};
    std::uniform_real_distribution<double> share(0.1, 0.7);
    for (std::size_t i = 0; i < points; ++i) {
        StudyPoint point{i * 3, random() % 5 != 0, false, {}};
        point.cells = {
            std::int64_t{1} << (random() % 4),  schedules[random() % 3],
            std::exp(share(random) * 12 - 3),   share(random),
            static_cast<double>(random()) * 40, random() % 4 == 0 ? StudyCell() : StudyCell(share(random))};
        study.points.push_back(std::move(point));
    }
    study.x = 2;
    study.y = 3;
    study.rerun = "orrery run sample --point";
    const auto step = sample_step(2, 4, 1);
    if (points > 1) study.charts.emplace_back(study.points[1].id, make_gantt(step.program, step.timeline));
    return study;
}

}  // namespace orrery::report::testing
