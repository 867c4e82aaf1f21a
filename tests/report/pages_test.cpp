#include "report/html/pages.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "report/html/svg.hpp"
#include "report/write_report.hpp"
#include "tests/report/gunzip.hpp"
#include "tests/report/sample.hpp"
#include "tests/report/sample_study.hpp"

namespace orrery::report {
namespace {

using testing::sample_result;
using testing::sample_step;
using testing::sample_validation;

Gantt sample_gantt(int stages = 8, int micro_batches = 16, int layers = 3) {
    const auto step = sample_step(stages, micro_batches, layers);
    return make_gantt(step.program, step.timeline);
}

nlohmann::json data_of(const std::string& page) {
    const std::string open = "<script type=\"application/json\" id=\"orrery-data\">";
    const std::size_t begin = page.find(open) + open.size();
    return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

/// Every element that is opened is closed, in order; void elements excepted. Scripts and styles are skipped.
void expect_balanced(const std::string& page) {
    std::vector<std::string> open;
    for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
        const std::size_t end = page.find('>', at);
        ASSERT_NE(end, std::string::npos);
        const bool closes = page[at + 1] == '/';
        const std::size_t first = at + (closes ? 2 : 1);
        const std::string name = page.substr(first, page.find_first_of(" \n/>", first) - first);
        if (name == "!doctype" || name == "meta" || page[end - 1] == '/') continue;
        if (closes) {
            ASSERT_FALSE(open.empty());
            ASSERT_EQ(open.back(), name);
            open.pop_back();
            continue;
        }
        open.push_back(name);
        if (name == "script" || name == "style") at = page.find("</" + name, at) - 1;
    }
    EXPECT_TRUE(open.empty());
}

void expect_no_network(const std::string& page) {
    // The only addresses are names of XML namespaces inside the bundled library.
    for (const char* forbidden : {"<link", "src=\"http", "href=\"http", "url(", "@import", "fetch("}) {
        EXPECT_EQ(page.find(forbidden), std::string::npos) << forbidden;
    }
    EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(RunPage, HoldsTheResultAndTheHeadlineNumbers) {
    const std::string page = run_page(sample_result(), sample_gantt(), {});
    EXPECT_EQ(data_of(page)["result"], nlohmann::json(to_json(sample_result())));
    for (const char* text : {"17.4 s", "44.4%", "61.3 GiB", "gpt3-175b", "NVIDIA A100 data sheet",
                             "outside the calibrated range"}) {
        EXPECT_NE(page.find(text), std::string::npos) << text;
    }
    expect_no_network(page);
}

TEST(RunPage, WithoutTheScriptHasItsPicturesInside) {
    const std::string page = run_page(sample_result(), sample_gantt(), {}, Drawing::as_svg);
    expect_balanced(page);
    expect_no_network(page);
    EXPECT_EQ(data_of(page)["charts"].size(), 0u);
    for (const char* text :
         {"Gantt chart of the step", "stacked bars", "GPU memory 80.0 GiB", "stage 7 (rank 56)"}) {
        EXPECT_NE(page.find(text), std::string::npos) << text;
    }
    EXPECT_EQ(page.find("=\"nan"), std::string::npos);
}

TEST(RunPage, WithTheScriptHasTheirDataInside) {
    if (!has_web_bundle()) GTEST_SKIP() << "built without Node";
    const Gantt gantt = sample_gantt();
    const std::string page = run_page(sample_result(), gantt, {}, Drawing::in_browser);
    const auto charts = data_of(page)["charts"];
    EXPECT_EQ(charts["gantt"]["kind"], "gantt");
    std::size_t boxes = 0;
    for (const auto& row : charts["gantt"]["rows"]) boxes += row["boxes"].size() / 4;
    EXPECT_EQ(boxes, gantt.boxes());
    EXPECT_EQ(charts["memory"]["limit"]["value"].get<double>(), sample_result().memory.capacity_bytes);
}

TEST(RunPage, TicksAddUpToTheMakespan) {
    const Gantt gantt = sample_gantt();
    const Json json = chart_json(gantt);
    double last = 0;
    for (const auto& row : json["rows"]) {
        std::int64_t clock = 0;
        for (std::size_t i = 0; i < row["boxes"].size(); i += 4) {
            clock += row["boxes"][i].get<std::int64_t>() + row["boxes"][i + 1].get<std::int64_t>();
        }
        last = std::max(last, static_cast<double>(clock) * json["tick_s"].get<double>());
    }
    EXPECT_NEAR(last, gantt.makespan_s, 1e-8 * gantt.makespan_s);
}

TEST(RunPage, EscapesHostileNames) {
    Result result = sample_result("</script><img src=x onerror=alert(1)>");
    result.notes = {"<b>\"quoted\" & 'more'</b>\x01"};
    for (const Drawing drawing : {Drawing::as_svg, Drawing::in_browser}) {
        const std::string page = run_page(result, sample_gantt(), {}, drawing);
        EXPECT_EQ(page.find("<img"), std::string::npos);
        EXPECT_EQ(page.find("<b>"), std::string::npos);
        EXPECT_EQ(data_of(page)["result"]["experiment"], result.experiment);
        expect_balanced(page);
    }
}

TEST(ComparisonPage, AlignsTheStepsOnTheLongestOne) {
    std::vector<ComparedRun> runs{{sample_result("first"), sample_gantt(4, 8)},
                                  {sample_result("second", 4, 0.9), sample_gantt(4, 16)},
                                  {sample_result("third"), std::nullopt}};
    for (const Drawing drawing : {Drawing::as_svg, Drawing::in_browser}) {
        const std::string page = comparison_page(runs, drawing);
        expect_balanced(page);
        expect_no_network(page);
        EXPECT_EQ(data_of(page)["results"].size(), 3u);
        EXPECT_NE(page.find("<td class=\"number best\" data-sort=\"15.642\">15.6 s</td>"), std::string::npos);
        if (drawing == Drawing::as_svg || !has_web_bundle()) continue;
        const auto charts = data_of(page)["charts"];
        EXPECT_EQ(charts["gantt0"]["axis_s"], charts["gantt1"]["makespan_s"]);
        EXPECT_EQ(charts["gantt1"]["axis_s"], charts["gantt1"]["makespan_s"]);
    }
    EXPECT_NO_THROW(comparison_page({}));
}

TEST(ValidationPage, HoldsEveryRowAndReason) {
    for (const Drawing drawing : {Drawing::as_svg, Drawing::in_browser}) {
        const std::string page = validation_page(sample_validation(), drawing);
        expect_balanced(page);
        expect_no_network(page);
        for (const char* text :
             {"run-1000", "run-1059", "context parallelism is not simulated yet", "SC&#39;21 Table 1"}) {
            EXPECT_NE(page.find(text), std::string::npos) << text;
        }
    }
    EXPECT_NO_THROW(validation_page({}));
}

TEST(StudyPage, HoldsEveryPointAndReason) {
    for (const Drawing drawing : {Drawing::as_svg, Drawing::in_browser}) {
        StudyReport study = testing::sample_study(30);
        study.summary.name = "</script><img src=x onerror=alert(1)>";
        study.rerun = "orrery run '<b>' --point";
        const std::string page = study_page(study, drawing);
        expect_balanced(page);
        expect_no_network(page);
        EXPECT_EQ(page.find("<img"), std::string::npos);
        EXPECT_EQ(page.find("<b>"), std::string::npos);
        EXPECT_NE(page.find("parallel.tp: too much"), std::string::npos);
        if (drawing == Drawing::as_svg || !has_web_bundle()) {
            for (const StudyPoint& point : study.points)
                EXPECT_NE(page.find("\">" + cell_text("step_time_s", point.cells[2]) + "<"),
                          std::string::npos);
            EXPECT_NE(page.find("mfu against step_time_s"), std::string::npos);
            continue;
        }
        const auto data = data_of(page)["study"];
        EXPECT_EQ(data["name"], study.summary.name);
        for (std::size_t i = 0; i < study.points.size(); ++i)
            EXPECT_EQ(data["columns"][2]["values"][i].get<double>(),
                      std::get<double>(study.points[i].cells[2]));
        EXPECT_EQ(data["gantts"].size(), 1U);
    }
    EXPECT_NO_THROW(study_page({}));
    EXPECT_NO_THROW(study_page(testing::sample_study(1), Drawing::as_svg));
}

TEST(Histogram, CountsEveryValueOnceWithAnEdgeAtZero) {
    const Histogram chart = histogram("error", {-0.031, 0.0, 0.004, 0.012, 0.25});
    std::size_t sum = 0;
    for (const std::size_t count : chart.counts) sum += count;
    EXPECT_EQ(sum, 5u);
    EXPECT_LE(chart.counts.size(), 40u);
    EXPECT_NE(std::find(chart.edges.begin(), chart.edges.end(), 0.0), chart.edges.end());
}

TEST(Histogram, KeepsToItsMostBinsForWildErrors) {
    const Histogram chart = histogram("error", {-0.9, 12.0, 350.0});
    EXPECT_LE(chart.counts.size(), 40u);
    EXPECT_TRUE(histogram("error", {}).counts.empty());
}

TEST(Escaped, LeavesNoMarkup) {
    EXPECT_EQ(escaped("<a href=\"x\">'&'\x02"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\uFFFD");
}

class WrittenReport : public ::testing::Test {
  protected:
    // ORRERY_SHOW=DIR keeps the files there, to be looked at.
    void SetUp() override {
        const char* show = std::getenv("ORRERY_SHOW");
        dir_ = show != nullptr
                   ? std::filesystem::path(show)
                   : std::filesystem::temp_directory_path() / ("orrery-report-" + std::to_string(getpid()));
    }
    void TearDown() override {
        if (std::getenv("ORRERY_SHOW") == nullptr) std::filesystem::remove_all(dir_);
    }
    static std::string read(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::filesystem::path dir_;
};

TEST_F(WrittenReport, OfARunHasThreeFilesThatAgree) {
    const auto step = sample_step(8, 24, 12);
    const Result result = sample_result();
    write_report(dir_ / "run", result, step.program, step.timeline);
    const auto json = nlohmann::json::parse(read(dir_ / "run" / "result.json"));
    EXPECT_EQ(data_of(read(dir_ / "run" / "report.html"))["result"], json);
    const auto trace = nlohmann::json::parse(orrery::testing::gunzip(read(dir_ / "run" / "trace.json.gz")));
    EXPECT_GT(trace["traceEvents"].size(), step.program.tasks());
}

TEST_F(WrittenReport, OfAComparisonAndAValidation) {
    std::vector<ComparedRun> runs;
    for (int i = 0; i < 3; ++i) {
        runs.push_back({sample_result("gpt3-175b, pp " + std::to_string(4 << i), 4 << i, 1 + 0.07 * i),
                        sample_gantt(4, 8 << i, 2)});
    }
    runs[2].result.memory.fits = false;
    write_comparison(dir_ / "compare", runs);
    write_validation(dir_ / "validate", sample_validation());
    EXPECT_EQ(nlohmann::json::parse(read(dir_ / "compare" / "result.json"))["results"].size(), 3u);
    EXPECT_EQ(nlohmann::json::parse(read(dir_ / "validate" / "result.json"))["runs_compared"], 60);
}

TEST_F(WrittenReport, IsTheSameTwice) {
    const auto step = sample_step(3, 5, 2);
    write_report(dir_ / "a", sample_result(), step.program, step.timeline);
    write_report(dir_ / "b", sample_result(), step.program, step.timeline);
    for (const char* file : {"result.json", "report.html", "trace.json.gz"}) {
        EXPECT_EQ(read(dir_ / "a" / file), read(dir_ / "b" / file)) << file;
    }
}

}  // namespace
}  // namespace orrery::report
