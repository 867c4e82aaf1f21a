#include "report/trace.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/report/gunzip.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using testing::sample_step;
using Json = nlohmann::json;

Json trace_of(const testing::SampleStep& step, const TraceOptions& options = {}) {
    return Json::parse(orrery::testing::gunzip(trace_json_gz(step.program, step.timeline, options)));
}

TEST(Trace, HasOneCompleteEventPerTaskWithItsTimes) {
    const auto step = sample_step(4, 8, 3);
    const Json trace = trace_of(step);
    double makespan_us = 0;
    std::size_t tasks = 0;
    for (const Json& event : trace["traceEvents"]) {
        if (event["ph"] != "X") continue;
        ++tasks;
        makespan_us = std::max(makespan_us, event["ts"].get<double>() + event["dur"].get<double>());
    }
    EXPECT_EQ(tasks, step.program.tasks());
    EXPECT_NEAR(makespan_us, step.timeline.makespan() * 1e6, 2e-3);
}

TEST(Trace, SaysPhaseMicroBatchLayerAndBytes) {
    const Json trace = trace_of(sample_step(2, 2, 2));
    std::map<std::string, Json> by_name;
    for (const Json& event : trace["traceEvents"]) {
        if (event["ph"] == "X") by_name.try_emplace(event["name"], event);
    }
    EXPECT_EQ(by_name.at("all-reduce")["args"]["bytes"], 100000000);
    EXPECT_EQ(by_name.at("all-reduce")["args"]["phase"], "forward");
    EXPECT_EQ(by_name.at("layer")["args"]["micro_batch"], 0);
    EXPECT_EQ(by_name.at("layer")["args"]["layer"], 0);
    EXPECT_EQ(by_name.at("adam")["cat"], "optimizer");
    EXPECT_FALSE(by_name.at("adam")["args"].contains("micro_batch"));
}

TEST(Trace, NamesRanksAndStreams) {
    const Json trace = trace_of(sample_step(2, 1, 1));
    std::vector<std::string> processes;
    std::vector<std::string> threads;
    for (const Json& event : trace["traceEvents"]) {
        if (event["name"] == "process_name") processes.push_back(event["args"]["name"]);
        if (event["name"] == "thread_name") threads.push_back(event["args"]["name"]);
    }
    EXPECT_EQ(processes, (std::vector<std::string>{"rank 0 (pipeline device 0), stands for 8 ranks",
                                                   "rank 8 (pipeline device 1), stands for 8 ranks"}));
    EXPECT_EQ(threads.size(), 14u);
    EXPECT_EQ(threads[2], "pp-send (device 1)");
}

TEST(Trace, JoinsEverySendToItsReceive) {
    const Json trace = trace_of(sample_step(4, 6, 1));
    std::map<std::string, int> starts;
    std::map<std::string, int> ends;
    for (const Json& event : trace["traceEvents"]) {
        if (event["ph"] == "s") ++starts[event["id"]];
        if (event["ph"] == "f") ++ends[event["id"]];
    }
    EXPECT_EQ(starts.size(), 3u * 6 * 2);  // three boundaries, six micro-batches, both ways
    EXPECT_EQ(starts, ends);
    for (const auto& [id, count] : starts) EXPECT_EQ(count, 1) << id;
}

TEST(Trace, LinesOfOneStreamDoNotOverlap) {
    std::map<std::pair<int, int>, double> free;
    for (const Json trace = trace_of(sample_step(3, 5, 2)); const Json& event : trace["traceEvents"]) {
        if (event["ph"] != "X") continue;
        double& end = free[{event["pid"], event["tid"]}];
        EXPECT_GE(event["ts"].get<double>() + 2e-3, end);
        end = event["ts"].get<double>() + event["dur"].get<double>();
    }
}

TEST(Trace, ShowsOneRankPerPipelineDeviceWhenThereAreTooManyTasks) {
    auto step = sample_step(4, 8, 2);
    for (auto& rank : step.program.ranks) rank.pipeline_device /= 2;
    const Json trace = trace_of(step, {10});
    std::size_t ranks = 0;
    for (const Json& event : trace["traceEvents"]) ranks += event["name"] == "process_name" ? 1 : 0;
    EXPECT_EQ(ranks, 2u);
    EXPECT_NE(trace["otherData"]["note"].get<std::string>().find("2 of 4 ranks"), std::string::npos);
}

TEST(Trace, EscapesNamesAndIsTheSameTwice) {
    auto step = sample_step(2, 2, 1);
    step.program.names[0] = "quote \" backslash \\ newline \n byte \xFF";
    EXPECT_NO_THROW(trace_of(step));
    EXPECT_EQ(trace_json_gz(step.program, step.timeline), trace_json_gz(step.program, step.timeline));
}

TEST(GzipWriter, WritesAReadableStreamForAnyPieces) {
    std::string bytes;
    GzipWriter gzip([&bytes](std::string_view piece) { bytes += piece; });
    std::string text;
    for (int i = 0; i < 20000; ++i) {
        const std::string piece(static_cast<std::size_t>(i % 37), static_cast<char>('a' + i % 23));
        gzip.write(piece);
        text += piece;
    }
    gzip.finish();
    EXPECT_EQ(orrery::testing::gunzip(bytes), text);
    EXPECT_EQ(bytes.substr(4, 4), std::string(4, '\0'));  // no time stamp
}

}  // namespace
}  // namespace orrery::report
