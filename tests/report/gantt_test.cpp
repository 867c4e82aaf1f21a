#include "report/gantt.hpp"

#include <gtest/gtest.h>

#include <iterator>

#include "report/gantt_difference.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::sample_step;

void expect_disjoint(const Gantt& gantt) {
    for (const GanttRow& row : gantt.rows) {
        for (std::size_t i = 0; i < row.boxes.size(); ++i) {
            EXPECT_GT(row.boxes[i].end_s, row.boxes[i].start_s);
            if (i == 0) continue;
            EXPECT_GE(row.boxes[i].start_s, row.boxes[i - 1].end_s - 1e-12);
        }
    }
}

TEST(Gantt, DrawsEveryTaskWhenThereIsRoom) {
    const auto step = sample_step(4, 8, 3);
    const Gantt gantt = make_gantt(step.program, step.timeline);
    EXPECT_EQ(gantt.boxes(), step.program.tasks());
    EXPECT_EQ(gantt.makespan_s, step.timeline.makespan());
    EXPECT_TRUE(gantt.notes.empty());
    EXPECT_TRUE(gantt.rows.front().compute);
    expect_disjoint(gantt);
}

TEST(Gantt, JoinsPerLayerThenPerPassThenCutsAndSaysSo) {
    // 8 micro-batches x 2 phases x 3 layers x (compute + all-reduce), on 4 stages.
    const auto step = sample_step(4, 8, 3);
    const Gantt pass = make_gantt(step.program, step.timeline, 300);
    EXPECT_LE(pass.boxes(), 300u);
    ASSERT_FALSE(pass.notes.empty());
    EXPECT_NE(pass.notes.back().find("micro-batch"), std::string::npos);
    expect_disjoint(pass);
    const Gantt cut = make_gantt(step.program, step.timeline, 50);
    EXPECT_LE(cut.boxes(), 50u);
    EXPECT_NE(cut.notes.back().find("Only the first"), std::string::npos);
    EXPECT_EQ(cut.makespan_s, step.timeline.makespan());
}

TEST(Gantt, PassBoxesSpanTheirTasks) {
    const auto step = sample_step(1, 2, 4);
    const Gantt gantt = make_gantt(step.program, step.timeline, 12);
    // forward of 4 layers at 1 ms with a 0.3 ms all-reduce after each: the box ends with the last layer
    EXPECT_NEAR(gantt.rows[0].boxes[0].end_s, 4 * 1e-3 + 3 * 0.3e-3, 1e-9);
    EXPECT_EQ(gantt.rows[0].boxes[0].micro_batch, 0);
}

TEST(Gantt, ShowsTheFirstRankOfEachPipelineDevice) {
    auto step = sample_step(4, 4, 1);
    for (auto& rank : step.program.ranks) rank.pipeline_device /= 2;
    const Gantt gantt = make_gantt(step.program, step.timeline);
    for (const GanttRow& row : gantt.rows) EXPECT_TRUE(row.device == 0 || row.device == 16) << row.device;
    ASSERT_EQ(gantt.notes.size(), 1u);
}

TEST(Gantt, ColoursDifferencesByWhatEachTaskLastedBesideItsPrediction) {
    const auto step = sample_step(2, 4, 2);
    sim::Timeline measured = step.timeline;
    const auto lasts = [&](std::size_t task, double share) {
        measured.end[task] =
            step.timeline.start[task] + share * (step.timeline.end[task] - step.timeline.start[task]);
    };
    const double shares[] = {0.7, 0.9, 0.97, 1.0, 1.03, 1.1, 1.5};
    const Category expected[] = {Category::much_shorter, Category::shorter,      Category::as_predicted,
                                 Category::as_predicted, Category::as_predicted, Category::longer,
                                 Category::much_longer};
    for (std::size_t task = 0; task < measured.end.size(); ++task)
        lasts(task, shares[task % std::size(shares)]);
    const std::vector<Category> found = differences(step.timeline, measured);
    ASSERT_EQ(found.size(), measured.end.size());
    int long_ones = 0;
    for (std::size_t task = 0; task < found.size(); ++task) {
        if (step.timeline.end[task] - step.timeline.start[task] < 0.02 * measured.makespan()) continue;
        EXPECT_EQ(found[task], expected[task % std::size(shares)]) << task;
        ++long_ones;
    }
    EXPECT_GT(long_ones, 14);
    const Gantt gantt = difference_gantt(step.program, step.timeline, measured);
    EXPECT_EQ(gantt.boxes(), step.program.tasks());
    for (const GanttClass& kind : gantt.classes) EXPECT_GE(kind.category, Category::much_shorter);
}

TEST(Gantt, SeesNoDifferenceInTasksThatAreNothingToTheStep) {
    const auto step = sample_step(2, 4, 2);
    sim::Timeline predicted = step.timeline;
    for (std::size_t task = 0; task < predicted.end.size(); ++task)
        predicted.end[task] = predicted.start[task] + 1e-9 * static_cast<double>(task % 3);
    sim::Timeline measured = predicted;
    for (std::size_t task = 0; task + 1 < measured.end.size(); ++task) measured.end[task] += 2e-6;
    measured.end.back() = 1;
    for (std::size_t task = 0; task + 1 < measured.end.size(); ++task)
        EXPECT_EQ(differences(predicted, measured)[task], Category::as_predicted);
}

TEST(Gantt, CopesWithAnEmptyProgram) {
    sim::Program program;
    program.first_task = {0};
    const Gantt gantt = make_gantt(program, {});
    EXPECT_EQ(gantt.boxes(), 0u);
    EXPECT_EQ(gantt.makespan_s, 0);
}

TEST(TaskView, CategoryFollowsWorkThenStreamThenPhase) {
    const auto step = sample_step(2, 1, 1);
    const Gantt gantt = make_gantt(step.program, step.timeline);
    std::vector<std::string> seen;
    for (const GanttClass& kind : gantt.classes)
        seen.push_back(kind.name + ": " + std::string(to_string(kind.category)));
    for (const char* expected : {"layer: forward", "layer: backward", "all-reduce: tensor parallel",
                                 "send: pipeline", "adam: optimizer"}) {
        EXPECT_NE(std::find(seen.begin(), seen.end(), expected), seen.end()) << expected;
    }
}

}  // namespace
}  // namespace orrery::report
