// tests/schedules/gantt_test.cpp
#include <gtest/gtest.h>

#include <sstream>

#include "core/error.hpp"
#include "schedules/gantt_svg.hpp"
#include "schedules/gantt_text.hpp"

namespace orrery::schedules {
namespace {

struct Drawn {
    Schedule schedule;
    Evaluation evaluation;
};

Drawn drawn(const char* name, const PipelineShape& shape) {
    Schedule schedule = make_schedule(name, shape);
    Evaluation evaluation = evaluate(schedule, action_times(shape));
    return {std::move(schedule), std::move(evaluation)};
}

TEST(GanttText, DrawsOneRowADeviceAndOneBoxAnAction) {
    const Drawn d = drawn("gpipe", {.devices = 2, .micro_batches = 2});
    // 9 time units in 39 - 3 columns: four each.
    EXPECT_EQ(gantt_text(d.schedule, d.evaluation, 39, TextColour::none),
              "0 |F0--F1--............B0------B1------\n"
              "1 |....F0--F1--B0------B1------........\n"
              "   F forward   B backward\n");
}

TEST(GanttText, NeverExceedsTheWidth) {
    for (const ScheduleEntry& entry : registry())
        for (const int width : {20, 47, 80, 200}) {
            const Drawn d =
                drawn(entry.name.data(), {.devices = 4, .micro_batches = 8, .chunks = entry.default_chunks});
            std::istringstream lines(gantt_text(d.schedule, d.evaluation, width, TextColour::none));
            std::string line;
            for (int row = 0; row < 4; ++row) {
                std::getline(lines, line);
                EXPECT_LE(line.size(), static_cast<std::size_t>(width)) << entry.name;
            }
        }
}

TEST(GanttText, ResetsItsColours) {
    const Drawn d = drawn("zb-v", {.devices = 4, .micro_batches = 8, .chunks = 2});
    for (const TextColour colour : {TextColour::basic, TextColour::indexed}) {
        std::istringstream lines(gantt_text(d.schedule, d.evaluation, 120, colour));
        std::string line;
        for (int row = 0; row < 4; ++row) {
            std::getline(lines, line);
            EXPECT_TRUE(line.ends_with("\x1b[0m"));
        }
    }
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

TEST(GanttSvg, NumbersEveryAction) {
    const Drawn d = drawn("1f1b", {.devices = 4, .micro_batches = 8});
    const std::string svg = gantt_svg(d.schedule, d.evaluation);
    EXPECT_EQ(count(svg, "text-anchor=\"middle\" fill=\"#ffffff\""), d.evaluation.actions);
    EXPECT_EQ(count(svg, "<svg "), 1U);
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(GanttSvg, EscapesTheName) {
    Drawn d = drawn("1f1b", {.devices = 1, .micro_batches = 1});
    d.schedule.name = "<script>&\"";
    EXPECT_EQ(gantt_svg(d.schedule, d.evaluation).find("<script>"), std::string::npos);
}

TEST(GanttSvg, RefusesWhatNobodyCanLookAt) {
    const Drawn d = drawn("1f1b", {.devices = 64, .micro_batches = 2000});
    EXPECT_THROW(gantt_svg(d.schedule, d.evaluation), InputError);
}

}  // namespace
}  // namespace orrery::schedules
