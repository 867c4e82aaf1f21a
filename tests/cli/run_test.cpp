// orrery run and orrery compare, as a user meets them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../report/json_schema.hpp"
#include "command_line.hpp"
#include "scratch_folder.hpp"
#include "study/variants.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

const char* const kSmall = R"(
model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 8192, seq_length: 512}
cluster: {node: dgx-a100, nodes: 1}
parallel: {tp: 2, pp: 2, sequence_parallel: true, sharding: zero-1}
training: {global_batch: 16, micro_batch: 1}
)";

const std::string kSourceDir = ORRERY_SOURCE_DIR;

std::vector<std::string> schema_errors(const Json& value) {
    return orrery::testing::JsonSchema(kSourceDir + "/docs/result.schema.json").errors(value);
}

TEST(Run, PrintsTheResultOnEightyColumns) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const Outcome outcome = orrery_command("run " + folder.path("small.yaml"));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    for (const char* part : {"step time", "mfu", "bubble ratio", "peak memory", "engine replay"}) {
        EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
    }
}

TEST(Run, PrintsOneJsonObjectThatTheSchemaAllows) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    for (const char* options : {"", "--timing", "--no-fold", "--set granularity=layer"}) {
        const Outcome outcome = orrery_command("run " + folder.path("small.yaml") + " --json " + options);
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        const Json result = Json::parse(outcome.out);
        EXPECT_EQ(schema_errors(result), std::vector<std::string>{}) << options;
        EXPECT_EQ(result["simulation"].contains("wall_s"), std::string(options) == "--timing");
    }
}

TEST(Run, FoldsWithoutChangingTheResult) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const std::string command = "run " + folder.path("small.yaml") + " --json ";
    const Json folded = Json::parse(orrery_command(command).out);
    const Json whole = Json::parse(orrery_command(command + "--no-fold").out);
    EXPECT_LT(folded["simulation"]["tasks"], whole["simulation"]["tasks"]);
    EXPECT_EQ(folded["step_time_s"], whole["step_time_s"]);
    EXPECT_EQ(folded["memory"], whole["memory"]);
}

TEST(Run, WritesThreeFilesTheSameBytesEachTime) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const std::set<std::string> expected = {"report.html", "result.json", "trace.json.gz"};
    for (const char* out : {"one", "two"}) {
        const Outcome outcome =
            orrery_command("run " + folder.path("small.yaml") + " --out " + folder.path(out));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_EQ(folder.files(out), expected);
    }
    for (const std::string& name : expected) {
        EXPECT_EQ(folder.contents("one/" + name), folder.contents("two/" + name)) << name;
    }
    EXPECT_EQ(schema_errors(Json::parse(folder.contents("one/result.json"))), std::vector<std::string>{});
}

TEST(Run, SaysWhatToChangeWhenItDoesNotFit) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const Outcome outcome =
        orrery_command("run " + folder.path("small.yaml") +
                       " --set cluster.gpu_memory_bytes=300e6 --json --out " + folder.path("out"));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("does not fit"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("--set training.recompute=full"), std::string::npos) << outcome.err;
    const Json result = Json::parse(outcome.out);
    EXPECT_EQ(result["memory"]["fits"], false);
    EXPECT_TRUE(folder.files("out").contains("result.json"));
}

TEST(Run, OnSimgridReturnsTheSameKindOfResult) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const std::string command = "run " + folder.path("small.yaml") + " --json --set granularity=layer ";
    const Outcome outcome = orrery_command(command + "--engine simgrid");
    if (outcome.status == 3) GTEST_SKIP() << "built without SimGrid";
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Json result = Json::parse(outcome.out);
    EXPECT_EQ(result["engine"], "simgrid");
    EXPECT_EQ(schema_errors(result), std::vector<std::string>{});
    const Json replay = Json::parse(orrery_command(command).out);
    EXPECT_NEAR(result["step_time_s"].get<double>() / replay["step_time_s"].get<double>(), 1, 0.1);
    EXPECT_EQ(result["memory"]["capacity_bytes"], replay["memory"]["capacity_bytes"]);
}

TEST(Run, NamesMistakes) {
    const ScratchFolder folder;
    folder.write("small.yaml", kSmall);
    const std::string small = folder.path("small.yaml");
    struct Mistake {
        std::string arguments;
        std::string message;
    };
    for (const Mistake& mistake : std::vector<Mistake>{
             {"run", "config is required"},
             {"run quickstrat", "quickstart"},
             {"run " + small + " --set parallel.tpp=4", "tp"},
             {"run " + small + " --set parallel.tp=3", "parallel"},
             {"run " + small + " --engine replai", "replay"},
             {"run " + small + " --no-flod", "--no-fold"},
             {"compare " + small, "two or more"},
             {"compare " + small + " " + folder.path("missing.yaml"), "missing.yaml"},
             {"run " + small + " --out /proc/orrery", "/proc/orrery"},
         }) {
        const Outcome outcome = orrery_command(mistake.arguments);
        EXPECT_EQ(outcome.status, 2) << mistake.arguments;
        EXPECT_EQ(outcome.out, "") << mistake.arguments;
        EXPECT_NE(outcome.err.find(mistake.message), std::string::npos) << outcome.err;
    }
}

TEST(Compare, PutsResultsSideBySide) {
    const ScratchFolder folder;
    folder.write("a.yaml", kSmall);
    folder.write("b.yaml", "base: a.yaml\nschedule: gpipe\n");
    const std::string command = "compare " + folder.path("a.yaml") + " " + folder.path("b.yaml");
    const Outcome table = orrery_command(command + " --out " + folder.path("out"));
    EXPECT_EQ(table.status, 0) << table.err;
    EXPECT_EQ(folder.files("out"), (std::set<std::string>{"report.html", "result.json"}));
    const Outcome json = orrery_command(command + " --json");
    ASSERT_EQ(json.status, 0) << json.err;
    const Json results = Json::parse(json.out)["results"];
    ASSERT_EQ(results.size(), 2U);
    for (const Json& result : results) EXPECT_EQ(schema_errors(result), std::vector<std::string>{});
    EXPECT_EQ(results[0]["experiment"], "a");
    EXPECT_EQ(results[1]["experiment"], "b");
}

/// Every experiment that a user may start from. Those of publications ran, so they must fit as well.
TEST(Configs, AllRunAndFit) {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSourceDir + "/configs")) {
        if (entry.path().extension() != ".yaml" || study::describes_several(entry.path().string())) continue;
        const Outcome outcome = orrery_command("run " + entry.path().string() + " --json");
        EXPECT_EQ(outcome.status, 0) << entry.path() << outcome.err;
        ++count;
        if (outcome.status != 0) continue;
        EXPECT_EQ(schema_errors(Json::parse(outcome.out)), std::vector<std::string>{}) << entry.path();
    }
    EXPECT_GE(count, 20);
}

TEST(Run, OfExpertsShowsTheirTrafficAndTheBusiestLinksByName) {
    const std::string config = kSourceDir + "/configs/moe/mixtral-capacity.yaml";
    const Outcome shown = orrery_command("run " + config);
    ASSERT_EQ(shown.status, 0) << shown.err;
    for (const char* word : {"dispatch", "combine", "busiest expert", "busiest rank", "dropped",
                             "busiest links", " nic ", "gpu ", "carried in the step"})
        EXPECT_NE(shown.out.find(word), std::string::npos) << word;
    for (const char* engine : {"flow", "replay"}) {
        const Outcome outcome = orrery_command("run " + config + " --json --engine " + engine);
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        const auto network = nlohmann::json::parse(outcome.out).at("network");
        EXPECT_GT(network.at("bytes_by_tier").at("network").get<double>(), 0) << engine;
        EXPECT_GT(network.at("by_kind").at("all-to-all-v").at("node_bytes").get<double>(), 0) << engine;
        ASSERT_FALSE(network.at("hottest_links").empty()) << engine;
        EXPECT_GT(network.at("hottest_links").at(0).at("utilisation").get<double>(), 0) << engine;
    }
}

}  // namespace
}  // namespace orrery
