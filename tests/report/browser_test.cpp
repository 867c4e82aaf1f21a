// The pages in a real browser.
#include "tests/report/browser.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/html/pages.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::Browser;
using testing::sample_result;
using testing::sample_step;
using testing::sample_validation;

TEST_F(Browser, GanttChartZoomsPansAndTellsTheTaskUnderThePointer) {
    const auto step = sample_step(4, 8, 3);
    const auto seen = found(run_page(sample_result(), make_gantt(step.program, step.timeline), {}), R"(
        const canvas = document.querySelector('.gantt canvas');
        const shot = async () => { await wait(); return canvas.toDataURL(); };
        const key = (name) => canvas.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
        const box = canvas.getBoundingClientRect();
        const at = (type, x, y, more) => canvas.dispatchEvent(
            new (type === 'wheel' ? WheelEvent : PointerEvent)(type, {clientX: box.left + x, clientY: box.top + y,
                bubbles: true, cancelable: true, view: window, ...more}));
        const whole = await shot();
        at('pointermove', 131, 10);
        found.tooltip = document.querySelector('.tooltip').textContent;
        key('+');
        const near = await shot();
        found.plus_zooms = near !== whole;
        key('ArrowRight');
        found.arrow_pans = await shot() !== near;
        key('0');
        found.zero_shows_all = await shot() === whole;
        at('wheel', 400, 50, {deltaY: -400});
        found.wheel_zooms = await shot() !== whole;
        found.height = canvas.height;
        document.querySelectorAll('.buttons button')[3].click();
        await wait();
        found.height_without_communication = canvas.height;
        found.bars = document.querySelectorAll('[data-chart=time] rect').length;
        found.network = performance.getEntriesByType('resource').length;
    )");
    EXPECT_EQ(seen["errors"], nlohmann::json::array());
    ASSERT_TRUE(seen.contains("network"));
    EXPECT_NE(seen["tooltip"].get<std::string>().find("forward, micro-batch 0, layer 0"), std::string::npos)
        << seen["tooltip"];
    for (const char* what : {"plus_zooms", "arrow_pans", "zero_shows_all", "wheel_zooms"})
        EXPECT_TRUE(seen[what]) << what;
    EXPECT_LT(seen["height_without_communication"], seen["height"]);
    EXPECT_EQ(seen["bars"], 9 * 7);  // eight stages and the busiest rank, seven parts that are not zero
    EXPECT_EQ(seen["network"], 0);
}

TEST_F(Browser, ChartsOfAComparisonMoveTogether) {
    const auto step = sample_step(4, 8, 2);
    const Gantt gantt = make_gantt(step.program, step.timeline);
    const std::vector<ComparedRun> runs{{sample_result("a"), gantt}, {sample_result("b"), gantt}};
    const auto seen = found(comparison_page(runs), R"(
        const [first, second] = document.querySelectorAll('.gantt canvas');
        const before = second.toDataURL();
        first.dispatchEvent(new KeyboardEvent('keydown', {key: '+'}));
        await wait();
        found.moved = second.toDataURL() !== before;
        found.same = second.toDataURL() === first.toDataURL();
    )");
    EXPECT_EQ(seen, (nlohmann::json{{"errors", nlohmann::json::array()}, {"moved", true}, {"same", true}}));
}

TEST_F(Browser, TablesOfAValidationSortByTheNumbersBehindTheirTexts) {
    const auto seen = found(validation_page(sample_validation()), R"(
        const table = document.querySelectorAll('table.sortable')[1];
        const errors_column = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[6].dataset.sort));
        const button = table.tHead.rows[0].cells[6].querySelector('button');
        button.click();
        found.ascending = errors_column();
        button.click();
        found.descending = errors_column();
        found.points = document.querySelectorAll('[data-chart=scatter] path.mark').length;
    )");
    EXPECT_EQ(seen["errors"], nlohmann::json::array());
    auto ascending = seen["ascending"].get<std::vector<double>>();
    auto descending = seen["descending"].get<std::vector<double>>();
    EXPECT_TRUE(std::is_sorted(ascending.begin(), ascending.end()));
    EXPECT_TRUE(std::is_sorted(descending.rbegin(), descending.rend()));
    EXPECT_EQ(ascending.size(), 60u);
    EXPECT_EQ(seen["points"], 60);
}

}  // namespace
}  // namespace orrery::report
