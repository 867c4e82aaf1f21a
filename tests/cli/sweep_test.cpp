// `orrery sweep` and `orrery query` as a user runs them, and killed while they run.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "command_line.hpp"
#include "scratch_folder.hpp"
#include "signalled_command.hpp"

namespace orrery {
namespace {

constexpr const char* kStudy =
    "model: {family: gpt, layers: 16, hidden: 1024, heads: 16, vocab: 51200, seq_length: 1024}\n"
    "cluster: {node: dgx-a100, nodes: 2}\n"
    "training: {global_batch: 256, micro_batch: 1}\n"
    "granularity: layer\n"
    "vary:\n"
    "  plans: {gpus: 16, tp: [1, 2, 4], pp: all}\n"
    "  training.micro_batch: [1, 2, 4]\n"
    "  parallel.sharding: [none, zero-1]\n"
    "objective: {minimize: step_time_s}\n";

TEST(SweepCommand, KilledAtAnyTimeAndResumedGivesTheSameTable) {
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    const std::string study = folder.path("study.yaml");
    const auto began = std::chrono::steady_clock::now();
    const Outcome whole = orrery_command("sweep " + study + " --out " + folder.path("whole"));
    ASSERT_EQ(whole.status, 0) << whole.err;
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    const std::string table = folder.contents("whole/points.csv");
    ASSERT_GT(table.size(), 1000U);

    std::mt19937 random(7);
    std::uniform_int_distribution<long> delay(0, took.count());
    int killed = 0;
    for (int round = 0; round < 4; ++round) {
        const std::string out = folder.path("killed" + std::to_string(round));
        // Twice: the second run is one that itself goes on from a killed one.
        for (int time = 0; time < 2; ++time) {
            const int status =
                signalled_after(SIGKILL, std::chrono::milliseconds(delay(random) / (time + 1)),
                                {ORRERY_BINARY, "sweep", study, "--out", out, "--resume", "--jobs", "2"});
            killed += WIFSIGNALED(status) ? 1 : 0;
        }
        const Outcome resumed = orrery_command("sweep " + study + " --out " + out + " --resume --jobs 1");
        ASSERT_EQ(resumed.status, 0) << resumed.err;
        EXPECT_EQ(folder.contents("killed" + std::to_string(round) + "/points.csv"), table) << round;
    }
    EXPECT_GT(killed, 2);
}

TEST(SweepCommand, RefusesToOverwriteAndSaysHowToGoOn) {
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    const std::string command = "sweep " + folder.path("study.yaml") + " --out " + folder.path("out");
    ASSERT_EQ(orrery_command(command).status, 0);
    const Outcome again = orrery_command(command);
    EXPECT_EQ(again.status, 2);
    EXPECT_NE(again.err.find("--resume"), std::string::npos) << again.err;
}

/// What the page holds for its script.
nlohmann::json page_data(const std::string& page) {
    const std::string open = "id=\"orrery-data\">";
    const std::size_t begin = page.find(open) + open.size();
    return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(SweepCommand, PageHoldsTheStoredNumbersAndEachPointRunsAgainAlone) {
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    const std::string study = folder.path("study.yaml");
    const Outcome swept = orrery_command("sweep " + study + " --charts 2 --out " + folder.path("out"));
    ASSERT_EQ(swept.status, 0) << swept.err;
    const std::string page = folder.contents("out/report.html");
    EXPECT_NE(page.find("What became of the points"), std::string::npos);
    const Outcome stored = orrery_command("query " + folder.path("out/study.sqlite") +
                                          " --json --select 'id, step_time_s, peak_bytes, tp' 'where "
                                          "step_time_s > 0 order by step_time_s, id'");
    ASSERT_EQ(stored.status, 0) << stored.err;
    const auto rows = nlohmann::json::parse(stored.out)["rows"];
    const auto data = page_data(page);
    if (!data.contains("study")) GTEST_SKIP() << "built without Node";
    std::map<std::string, nlohmann::json> columns;
    for (const auto& column : data["study"]["columns"]) columns[column["name"]] = column["values"];
    ASSERT_EQ(rows.size(), data["study"]["ids"].size());
    for (const auto& row : rows) {
        const auto& ids = data["study"]["ids"];
        const auto at = static_cast<std::size_t>(std::find(ids.begin(), ids.end(), row["id"]) - ids.begin());
        ASSERT_LT(at, ids.size());
        EXPECT_EQ(columns["step_time_s"][at], row["step_time_s"]);
        EXPECT_EQ(columns["memory.peak_bytes"][at], row["peak_bytes"]);
        EXPECT_EQ(columns["parallel.tp"][at], row["tp"]);
    }
    EXPECT_EQ(data["study"]["gantts"].size(), 2U);
    // The command that the page gives.
    const std::string id = std::to_string(data["study"]["ids"][0].get<int>());
    ASSERT_EQ(data["study"]["rerun"], "orrery run " + study + " --point");
    const Outcome again = orrery_command("run " + study + " --point " + id + " --json");
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(nlohmann::json::parse(again.out)["step_time_s"], columns["step_time_s"][0]);
    const Outcome beyond = orrery_command("run " + study + " --point 100000");
    EXPECT_EQ(beyond.status, 2);
    EXPECT_NE(beyond.err.find("--point"), std::string::npos) << beyond.err;
}

TEST(QueryCommand, AnswersFromTheStoredPoints) {
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    ASSERT_EQ(orrery_command("sweep " + folder.path("study.yaml") + " --out " + folder.path("out")).status,
              0);
    const std::string store = folder.path("out/study.sqlite");
    const Outcome answer = orrery_command("query " + store + " 'where tp = 2 and step_time_s > 0'");
    EXPECT_EQ(answer.status, 0) << answer.err;
    EXPECT_NE(answer.out.find("step_time_s"), std::string::npos) << answer.out;
    // What is quoted is a name as well, never silently a text.
    EXPECT_EQ(orrery_command("query " + store + " 'where \"no_such\" > 0'").status, 2);
    const Outcome wrong = orrery_command("query " + store + " 'where step_tim_s > 0'");
    EXPECT_EQ(wrong.status, 2);
    EXPECT_NE(wrong.err.find("step_time_s"), std::string::npos) << wrong.err;
}

}  // namespace
}  // namespace orrery
