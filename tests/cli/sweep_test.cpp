// `orrery sweep` and `orrery query` as a user runs them, and killed while they run.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
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

/// "mpirun -n 3 orrery", or nothing where there is no MPI.
std::string three_processes() {
    const std::string binary = ORRERY_BINARY;
    const std::string module = binary.substr(0, binary.rfind('/')) + "/liborrery_mpi.so";
    if (std::system("command -v mpirun >/dev/null") != 0 || ::access(module.c_str(), R_OK) != 0) return "";
    return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n 3 " + binary;
}

TEST(SweepCommand, ThreeProcessesMakeTheTableOfOne) {
    const std::string job = three_processes();
    if (job.empty()) GTEST_SKIP() << "no MPI here";
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    for (const std::string how : {"", " --best 2"}) {
        const std::string name = how.empty() ? "all" : "best";
        const std::string command = " sweep " + folder.path("study.yaml") + how + " --out ";
        const Outcome one = orrery_command(command + folder.path(name + "1"));
        ASSERT_EQ(one.status, 0) << one.err;
        const std::string log = folder.path("log");
        ASSERT_EQ(std::system((job + command + folder.path(name + "3") + " >" + log + " 2>&1").c_str()), 0)
            << folder.contents("log");
        EXPECT_EQ(folder.contents(name + "3/points.csv"), folder.contents(name + "1/points.csv"));
        EXPECT_FALSE(std::filesystem::exists(folder.path(name + "3/study.rank1.sqlite")));
        // A second job refuses in all its processes, once in words.
        EXPECT_NE(std::system((job + command + folder.path(name + "3") + " >" + log + " 2>&1").c_str()), 0);
        const std::string text = folder.contents("log");
        EXPECT_NE(text.find("is there already"), std::string::npos) << text;
        EXPECT_EQ(text.find("is there already", text.find("is there already") + 1), std::string::npos)
            << text;
    }
}

/// One of its processes is killed; the others end with it, and what they had finished stands.
TEST(SweepCommand, AJobThatLosesAProcessGoesOnWhereItWas) {
    const std::string job = three_processes();
    if (job.empty()) GTEST_SKIP() << "no MPI here";
    const ScratchFolder folder;
    folder.write("study.yaml", kStudy);
    const std::string command = " sweep " + folder.path("study.yaml") + " --out ";
    ASSERT_EQ(orrery_command(command + folder.path("whole")).status, 0);
    for (const char* delay : {"0.3", "0.6", "1"}) {
        const std::string out = folder.path(std::string("killed") + delay);
        // The last process started in that folder: any rank.
        const std::string kill =
            "(sleep " + std::string(delay) + "; pkill -KILL -n -f 'orrery sweep .*" + out + "$') & ";
        (void)std::system((kill + job + command + out + " >/dev/null 2>&1; wait").c_str());
        const Outcome resumed = orrery_command(command + out + " --resume");
        ASSERT_EQ(resumed.status, 0) << resumed.err;
        EXPECT_EQ(folder.contents(std::string("killed") + delay + "/points.csv"),
                  folder.contents("whole/points.csv"))
            << delay;
    }
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
