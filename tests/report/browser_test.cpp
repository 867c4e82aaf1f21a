// The pages in a real browser: opened from a file by headless Chromium, with a script of the test's own
// beside the page's, whose findings are read from the DOM that the browser prints. Skipped where there is no
// Chromium or no script in this binary.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "report/html/pages.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::sample_result;
using testing::sample_step;
using testing::sample_validation;

std::string output_of(const std::string& command) {
    std::string text;
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return text;
    std::array<char, 65536> piece{};
    for (std::size_t n = 0; (n = fread(piece.data(), 1, piece.size(), pipe)) > 0;)
        text.append(piece.data(), n);
    pclose(pipe);
    return text;
}

class Browser : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!has_web_bundle()) GTEST_SKIP() << "built without Node";
        if (output_of("command -v chromium").empty()) GTEST_SKIP() << "no chromium here";
        std::string name = (std::filesystem::temp_directory_path() / "orrery-browser-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override {
        if (!dir_.empty()) std::filesystem::remove_all(dir_);
    }

    /// Opens the page, runs `script` (the body of an async function; `found` is what it found) and returns
    /// `found`, with the page's errors in found["errors"].
    nlohmann::json found(std::string page, const std::string& script) {
        const std::string before =  // A browser without a window draws no frames to wait for.
            "<script>window.requestAnimationFrame=(f)=>setTimeout(f,16);window.errors=[];addEventListener('"
            "error',(e)=>errors.push(e.message));"
            "addEventListener('securitypolicyviolation',(e)=>errors.push(e.blockedURI));</script>";
        const std::string after =
            "<script>(async()=>{const found={};const wait=()=>new "
            "Promise((r)=>setTimeout(()=>requestAnimationFrame(()=>requestAnimationFrame(r)),50));try{await "
            "wait();" +
            script +
            "}catch(e){errors.push(String(e))}found.errors=errors;"
            "document.body.replaceChildren();document.body.textContent='FOU'+'ND'+btoa(JSON.stringify(found))"
            "+'"
            "END';"
            "})()</script>";
        page.insert(page.find("<title>"), before);
        page.insert(page.rfind("</body>"), after);
        const std::filesystem::path file = dir_ / "page.html";
        std::ofstream(file) << page;
        const std::string dom = output_of(
            "timeout 100 chromium --headless --no-sandbox --disable-gpu --disable-background-networking "
            "--no-first-run "
            "--window-size=1400,1200 --virtual-time-budget=6000 --user-data-dir=" +
            (dir_ / "profile").string() + " --dump-dom file://" + file.string() + " 2>/dev/null");
        const std::size_t begin = dom.find("FOUND");
        const std::size_t end = dom.find("END", begin);
        if (begin == std::string::npos || end == std::string::npos)
            return {{"errors", {"no findings: " + dom.substr(0, 300)}}};
        return nlohmann::json::parse(decoded(dom.substr(begin + 5, end - begin - 5)));
    }

    static std::string decoded(const std::string& base64) {
        const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::string bytes;
        unsigned bits = 0;
        int count = 0;
        for (const char c : base64) {
            const std::size_t digit = digits.find(c);
            if (digit == std::string::npos) break;
            bits = bits << 6 | static_cast<unsigned>(digit);
            count += 6;
            if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
        }
        return bytes;
    }

    std::filesystem::path dir_;
};

TEST_F(Browser, GanttChartZoomsPansAndTellsTheTaskUnderThePointer) {
    const auto step = sample_step(4, 8, 3);
    const auto seen = found(run_page(sample_result(), make_gantt(step.program, step.timeline)), R"(
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
