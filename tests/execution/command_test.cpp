// orrery validate CONFIG --on mpi as a user sees it: the table, the JSON, the files, a recorded execution.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "mpi_here.hpp"
#include "tests/cli/scratch_folder.hpp"
#include "tests/report/json_schema.hpp"

namespace orrery {
namespace {

class ExecutionCommand : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!mpi_here()) GTEST_SKIP() << "no MPI here";
        folder.write(
            "e.yaml",
            "model: {family: gpt, name: tiny, layers: 4, hidden: 64, heads: 4, vocab: 128, seq_length: 32}\n"
            "cluster: {node: dgx-a100, gpus: 4}\n"
            "parallel: {tp: 2, pp: 2, dp: 1}\n"
            "schedule: 1f1b\n"
            "training: {global_batch: 8, micro_batch: 1, seq_length: 32, precision: bf16}\n");
    }

    /// Exit status; output in the files out and err.
    int run(const std::string& arguments) {
        const std::string line =
            ORRERY_BINARY " -q " + arguments + " >" + folder.path("out") + " 2>" + folder.path("err");
        const int status = std::system(line.c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    [[nodiscard]] std::string out() const { return folder.contents("out"); }
    [[nodiscard]] std::string err() const { return folder.contents("err"); }

    ScratchFolder folder;
};

std::size_t columns(const std::string& line) {
    return static_cast<std::size_t>(std::count_if(
        line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

TEST_F(ExecutionCommand, RecordsWhatIsComparedAgainToTheSameFigures) {
    const std::string config = folder.path("e.yaml");
    ASSERT_EQ(run("validate " + config + " --on mpi --emulate-compute --repeat 2 --json --record " +
                  folder.path("run.json") + " --out " + folder.path("report")),
              0)
        << err();
    const std::string first = out();
    const nlohmann::json json = nlohmann::json::parse(first);
    const testing::JsonSchema schema(ORRERY_SOURCE_DIR "/docs/execution.schema.json");
    for (const std::string& error : schema.errors(json)) ADD_FAILURE() << error;
    EXPECT_EQ(json["repetitions"], 2);
    EXPECT_EQ(json["ranks"], 4);
    EXPECT_TRUE(json["in_simulated_order"].get<bool>());
    EXPECT_EQ(nlohmann::json::parse(folder.contents("report/result.json")), json);
    EXPECT_EQ(folder.files("report"), (std::set<std::string>{"report.html", "result.json", "trace.json.gz"}));

    ASSERT_EQ(run("validate " + config + " --json --recorded " + folder.path("run.json")), 0) << err();
    EXPECT_EQ(out(), first);

    ASSERT_EQ(run("validate " + config + " --recorded " + folder.path("run.json")), 0) << err();
    std::istringstream lines(out());
    std::string line;
    while (std::getline(lines, line)) EXPECT_LE(columns(line), 80U) << line;
    for (const char* words : {"step time", "bubble ratio of the span", "peak memory", "all-reduce", "forward",
                              "order: every task in the simulated order"})
        EXPECT_NE(out().find(words), std::string::npos) << words << " in\n" << out();

    EXPECT_EQ(
        run("validate " + config + " --set training.global_batch=4 --recorded " + folder.path("run.json")),
        2);
    EXPECT_NE(err().find("of another program"), std::string::npos) << err();

    ASSERT_EQ(run("calibrate --json --runs " + folder.path("run.json")), 0) << err();
    EXPECT_NEAR(nlohmann::json::parse(out())["step_time_s"].get<double>(),
                json["step_time_s"]["measured"].get<double>(),
                0.1 * json["step_time_s"]["measured"].get<double>());
}

TEST_F(ExecutionCommand, RefusesWhatItCannotDo) {
    const std::string config = folder.path("e.yaml");
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"validate " + config + " --on opencl", "unknown executor 'opencl'"},
        {"validate " + config + " --on cuda --emulate-compute", "GPUs run their kernels"},
        {"validate " + config + " --on mpi --time-scale 2", "needs --emulate-compute"},
        {"validate " + config + " --on mpi --costs model", "unknown source 'model'"},
        {"validate " + config + " --on mpi --runs x.csv", "not both"},
        {"validate " + config, "--numeric computes it"},
        {"validate --on mpi", "expected an experiment to execute"},
        {"validate " + config + " --on mpi --emulate-compute --set engine=simgrid", "engine replay"},
        {"validate " + config + " --recorded " + config, "is no execution recorded"}};
    for (const auto& [command, words] : wrong) {
        EXPECT_EQ(run(command), 2) << command;
        EXPECT_NE(err().find(words), std::string::npos) << command << ": " << err();
        EXPECT_TRUE(out().empty());
    }
}

}  // namespace
}  // namespace orrery
