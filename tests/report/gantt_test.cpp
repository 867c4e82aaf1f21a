#include "report/gantt.hpp"

#include <gtest/gtest.h>

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
