// The page of a study in a real browser.
#include <gtest/gtest.h>

#include "report/html/pages.hpp"
#include "report/html/study_picture.hpp"
#include "tests/report/browser.hpp"
#include "tests/report/sample_study.hpp"

namespace orrery::report {
namespace {

using testing::Browser;
using testing::sample_study;

/// Functions for the scripts below.
constexpr const char* kTools = R"(
    const headings = () => [...document.querySelectorAll('.points th button')];
    const heading = (name) => headings().findIndex((each) => each.textContent === name);
    const rows = () => [...document.querySelectorAll('.points tbody tr[data-row]')];
    const texts = () => rows().map((row) => [...row.cells].map((cell) => cell.textContent));
    const filter = (name, text) => {
        const field = document.querySelectorAll('.points .filters input')[heading(name)];
        field.value = text;
        field.dispatchEvent(new Event('input'));
        return field.getAttribute('aria-invalid');
    };
    const said = () => document.querySelector('.toolbar span').textContent;
    const selected = () => document.querySelector('.detail h3').textContent;
    const press = (place, key) => place.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
)";

TEST_F(Browser, TheTableOfAStudyHoldsTheTextsOfTheCellsAndSortsAndFilters) {
    const StudyReport study = sample_study(40);
    const auto seen = found(study_page(study), std::string(kTools) + R"(
        found.names = headings().map((each) => each.textContent);
        found.texts = texts();
        headings()[heading('step_time_s')].click();
        found.ascending = texts().map((row) => row[0]);
        headings()[heading('step_time_s')].click();
        found.descending = texts().map((row) => row[0]);
        found.valid = filter('tp', '4..8');
        found.tp = [...new Set(texts().map((row) => row[heading('tp')]))].sort();
        found.said = said();
        filter('tp', '');
        filter('schedule', '=gpipe');
        found.schedules = [...new Set(texts().map((row) => row[heading('schedule')]))];
        found.wrong = filter('mfu', '> much');
        filter('schedule', 'no such');
        found.none = texts().length;
        document.querySelector('.toolbar button').click();
        found.all = said();
        found.network = performance.getEntriesByType('resource').length;
    )");
    EXPECT_EQ(seen["errors"], nlohmann::json::array());
    ASSERT_TRUE(seen.contains("network")) << seen;
    EXPECT_EQ(seen["network"], 0);
    const std::vector<std::string> names{"point",       "status", "tp",         "schedule",
                                         "step_time_s", "mfu",    "peak_bytes", "expected"};
    EXPECT_EQ(seen["names"], nlohmann::json(names));
    const auto texts = seen["texts"].get<std::vector<std::vector<std::string>>>();
    ASSERT_GT(texts.size(), 20U);
    for (std::size_t row = 0; row < texts.size(); ++row) {
        EXPECT_EQ(texts[row][0], std::to_string(study.points[row].id));
        for (std::size_t i = 0; i < study.columns.size(); ++i)
            EXPECT_EQ(texts[row][i + 2], cell_text(study.columns[i].name, study.points[row].cells[i]));
    }
    std::vector<std::size_t> order(study.points.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) {
        return std::get<double>(study.points[a].cells[2]) < std::get<double>(study.points[b].cells[2]);
    });
    const auto ascending = seen["ascending"].get<std::vector<std::string>>();
    const auto descending = seen["descending"].get<std::vector<std::string>>();
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        EXPECT_EQ(ascending[i], std::to_string(study.points[order[i]].id));
        EXPECT_EQ(descending[i], std::to_string(study.points[order[order.size() - 1 - i]].id));
    }
    EXPECT_EQ(seen["tp"], (nlohmann::json{"4", "8"}));
    const auto within = std::count_if(study.points.begin(), study.points.end(), [](const StudyPoint& point) {
        return std::get<std::int64_t>(point.cells[0]) >= 4;
    });
    EXPECT_EQ(seen["said"], std::to_string(within) + " of 40 points shown: tp 4..8");
    EXPECT_EQ(seen["valid"], "false");
    EXPECT_EQ(seen["wrong"], "true");
    EXPECT_EQ(seen["schedules"], nlohmann::json{"gpipe"});
    EXPECT_EQ(seen["none"], 0);
    EXPECT_EQ(seen["all"], "40 of 40 points shown");
}

TEST_F(Browser, PicturesOfAStudyShowTheFrontAndTellAndSelectPoints) {
    const StudyReport study = sample_study(300, 5);
    const auto seen = found(study_page(study), std::string(kTools) + R"(
        const svg = document.querySelector('.layers svg');
        const bounds = svg.getBoundingClientRect();
        const marks = () => [...document.querySelectorAll('.layers circle.on-front')];
        found.front = marks().map((mark) => Number(mark.dataset.row));
        const at = (mark) => ({clientX: bounds.left + Number(mark.getAttribute('cx')) * bounds.width / svg.viewBox.baseVal.width,
                               clientY: bounds.top + Number(mark.getAttribute('cy')) * bounds.height / svg.viewBox.baseVal.height});
        svg.dispatchEvent(new PointerEvent('pointermove', at(marks()[0])));
        found.tooltip = document.querySelector('.tooltip').textContent;
        svg.dispatchEvent(new MouseEvent('click', at(marks()[0])));
        found.clicked = selected();
        found.command = document.querySelector('.command code').textContent;
        press(svg, 'ArrowUp');
        found.along_the_front = selected();
        const box = document.querySelector('.points');
        press(box, 'Home');
        press(box, 'ArrowDown');
        found.second = selected();
        found.chart = document.querySelectorAll('.detail .gantt canvas').length;
        press(box, 'ArrowDown');
        found.without_chart = document.querySelectorAll('.detail .gantt canvas').length;
        const [x, y] = document.querySelectorAll('.choices select');
        y.value = [...y.options].find((each) => each.textContent === 'peak_bytes').value;
        y.dispatchEvent(new Event('change'));
        found.other_front = marks().map((mark) => Number(mark.dataset.row));
        filter('schedule', '=1f1b');
        found.filtered_front = marks().map((mark) => Number(mark.dataset.row));
        const cell = document.querySelector('.cell');
        cell.dispatchEvent(new PointerEvent('pointermove', {clientX: 5, clientY: 5}));
        found.cell = document.querySelector('.tooltip').textContent;
        press(cell, 'Enter');
        found.best_of_cell = selected();
        document.querySelector('.toolbar button').click();
        found.axes = document.querySelectorAll('.layers .axis').length;
    )");
    EXPECT_EQ(seen["errors"], nlohmann::json::array());
    ASSERT_TRUE(seen.contains("axes")) << seen;
    const std::vector<std::size_t> front = front_of(study, 2, 3);
    ASSERT_GT(front.size(), 2U);
    EXPECT_EQ(seen["front"], nlohmann::json(front));
    EXPECT_EQ(seen["other_front"], nlohmann::json(front_of(study, 2, 4)));
    StudyReport only = study;  // the front of what passes the filter
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < study.points.size(); ++i) {
        if (study.points[i].cells[1] == StudyCell("1f1b"))
            rows.push_back(i);
        else
            only.points[i].fits = false;
    }
    EXPECT_EQ(seen["filtered_front"], nlohmann::json(front_of(only, 2, 4)));
    const StudyPoint& first = study.points[front[0]];
    const std::string tooltip = seen["tooltip"].get<std::string>();
    EXPECT_NE(tooltip.find("step_time_s: " + cell_text("step_time_s", first.cells[2])), std::string::npos)
        << tooltip;
    EXPECT_NE(tooltip.find("point " + std::to_string(first.id)), std::string::npos) << tooltip;
    EXPECT_EQ(seen["clicked"], "Point " + std::to_string(first.id));
    EXPECT_EQ(seen["command"], "orrery run sample --point " + std::to_string(first.id) +
                                   " --out out/sample-" + std::to_string(first.id));
    EXPECT_EQ(seen["along_the_front"], "Point " + std::to_string(study.points[front[1]].id));
    EXPECT_EQ(seen["second"].get<std::string>().substr(0, 7), "Point 3");
    EXPECT_EQ(seen["chart"], 1);
    EXPECT_EQ(seen["without_chart"], 0);
    EXPECT_NE(seen["cell"].get<std::string>().find("best: point "), std::string::npos);
    EXPECT_EQ(seen["best_of_cell"].get<std::string>().find("Point "), 0U);
    EXPECT_EQ(seen["axes"], 4);  // both settings, step time, mfu
}

TEST_F(Browser, TenThousandPointsOfAStudyAreDrawnAndFilteredInTime) {
    const auto seen = found(study_page(sample_study(10'000)), std::string(kTools) + R"(
        const began = performance.now();
        headings()[heading('mfu')].click();
        filter('tp', '4');
        filter('tp', '');
        found.ms = performance.now() - began;
        found.rows_in_page = rows().length;
        found.said = said();
    )");
    EXPECT_EQ(seen["errors"], nlohmann::json::array());
    EXPECT_EQ(seen["said"], "10,000 of 10,000 points shown");
    EXPECT_LT(seen["rows_in_page"], 100);
    EXPECT_LT(seen["ms"], 5000);  // 0.4 s on an idle machine
}

}  // namespace
}  // namespace orrery::report
