// What goes wrong in an execution: a rank that dies, one that hangs, too many or too few ranks, no memory.
// Real processes, real signals; afterwards none is left and nothing was written.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "mpi_here.hpp"
#include "tests/cli/scratch_folder.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

const std::string kExperiment =
    "model: {family: gpt, name: tiny, layers: 4, hidden: 64, heads: 4, vocab: 128, seq_length: 32}\n"
    "cluster: {node: dgx-a100, gpus: 2}\n"
    "parallel: {tp: 1, pp: 2, dp: 1}\n"
    "schedule: 1f1b\n"
    "training: {global_batch: 8, micro_batch: 1, seq_length: 32, precision: bf16}\n";

std::string text_of(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

/// Processes whose command line holds the text.
std::vector<pid_t> processes_with(const std::string& text) {
    std::vector<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (text_of(entry.path() / "cmdline").find(text) != std::string::npos)
            found.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return found;
}

/// One orrery command, its output in a scratch folder that is also its folder for temporary files.
class Command {
  public:
    Command(const ScratchFolder& folder, const std::string& arguments) : folder_(folder) {
        fs::create_directories(folder.path("tmp"));
        const std::string line = "exec env TMPDIR=" + folder.path("tmp") + " " ORRERY_BINARY " " + arguments +
                                 " >" + folder.path("out") + " 2>" + folder.path("err");
        child_ = ::fork();
        if (child_ == 0) {
            ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
            ::_exit(127);
        }
    }

    /// The process of the rank, once it runs its step; 0 if that does not happen within a time.
    [[nodiscard]] pid_t rank(int number) const {
        for (int look = 0; look < 1500; ++look) {
            for (const pid_t process : processes_with(folder_.path("tmp") + "/orrery-execute-")) {
                const std::string environment = text_of("/proc/" + std::to_string(process) + "/environ");
                const std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(number);
                if (environment.find(wanted + '\0') != std::string::npos) return process;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return 0;
    }

    void send(int signal) const { (void)::kill(child_, signal); }

    /// Exit status, or 128 + signal.
    int wait() {
        int status = 0;
        (void)::waitpid(child_, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    [[nodiscard]] std::string out() const { return folder_.contents("out"); }
    [[nodiscard]] std::string err() const { return folder_.contents("err"); }

    /// No process of the execution is left, and none of its files.
    [[nodiscard]] bool left_nothing() const {
        for (int look = 0; look < 300; ++look) {
            if (processes_with(folder_.path("tmp")).empty() && fs::is_empty(folder_.path("tmp"))) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

  private:
    const ScratchFolder& folder_;
    pid_t child_ = 0;
};

class ExecutionFaults : public testing::Test {
  protected:
    void SetUp() override {
        if (!mpi_here()) GTEST_SKIP() << "no MPI here";
        folder.write("e.yaml", kExperiment);
    }
    /// A step of some seconds, so that there is time to disturb it.
    [[nodiscard]] std::string long_step(const std::string& more = "") const {
        return "-q validate " + folder.path("e.yaml") +
               " --on mpi --emulate-compute --costs experiment --repeat 1000 --record " +
               folder.path("run.json") + " " + more;
    }
    /// Until the ranks have surely begun.
    static void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(1500)); }

    ScratchFolder folder;
};

TEST_F(ExecutionFaults, ARankThatDiesIsNamedAndNothingStaysBehind) {
    Command command(folder, long_step());
    const pid_t rank = command.rank(1);
    ASSERT_GT(rank, 0) << command.err();
    settle();
    ASSERT_EQ(::kill(rank, SIGKILL), 0);
    EXPECT_EQ(command.wait(), 1);
    EXPECT_NE(command.err().find("rank 1 died (signal 9"), std::string::npos) << command.err();
    EXPECT_TRUE(command.left_nothing());
    EXPECT_FALSE(fs::exists(folder.path("run.json")));
    EXPECT_TRUE(command.out().empty());
}

TEST_F(ExecutionFaults, ARankThatHangsEndsInATimeOutThatNamesTheTasksInFlight) {
    Command command(folder, long_step("--timeout 1"));
    const pid_t rank = command.rank(0);
    ASSERT_GT(rank, 0) << command.err();
    settle();
    ASSERT_EQ(::kill(rank, SIGSTOP), 0);
    EXPECT_EQ(command.wait(), 1);
    const std::string err = command.err();
    const bool in_step = err.find("nothing ended on rank 1") != std::string::npos &&
                         err.find("in flight: rank 1") != std::string::npos &&
                         err.find(", task ") != std::string::npos;
    const bool between = err.find("rank 1 has waited for the other ranks") != std::string::npos;
    EXPECT_TRUE(in_step || between) << err;
    EXPECT_TRUE(command.left_nothing());
    EXPECT_FALSE(fs::exists(folder.path("run.json")));
}

TEST_F(ExecutionFaults, ASignalToTheCommandEndsTheRanks) {
    for (const int signal : {SIGTERM, SIGKILL}) {
        Command command(folder, long_step());
        ASSERT_GT(command.rank(1), 0) << command.err();
        settle();
        command.send(signal);
        EXPECT_EQ(command.wait(), 128 + signal);
        if (signal == SIGTERM) {
            EXPECT_TRUE(command.left_nothing());
            continue;
        }
        // Killed, it cannot tidy its folder; its ranks end all the same.
        for (int look = 0; look < 500 && !processes_with(folder.path("tmp")).empty(); ++look)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        EXPECT_TRUE(processes_with(folder.path("tmp")).empty());
    }
}

TEST_F(ExecutionFaults, RealKernelsThatNeedMoreMemoryThanThereIsAreNotStarted) {
    Command command(folder, "-q validate " + folder.path("e.yaml") +
                                " --on mpi --set cluster.node=cpu-host --set training.precision=fp32 "
                                "--set calibration=a100-sxm-80g --set model.vocab=4000000 --set "
                                "model.hidden=65536 --set model.heads=64");
    EXPECT_EQ(command.wait(), 1);
    EXPECT_NE(command.err().find("not enough memory: the 2 ranks need"), std::string::npos) << command.err();
    EXPECT_TRUE(command.left_nothing());
}

TEST_F(ExecutionFaults, AJobOfTheWrongSizeIsRefused) {
    const std::string line =
        "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n 3 " ORRERY_BINARY
        " -q validate " +
        folder.path("e.yaml") + " --on mpi --emulate-compute >" + folder.path("out") + " 2>" +
        folder.path("err");
    EXPECT_NE(std::system(line.c_str()), 0);
    EXPECT_NE(folder.contents("err").find("the plan has 2 ranks, this job 3 processes"), std::string::npos)
        << folder.contents("err");
    EXPECT_TRUE(folder.contents("out").empty());
}

TEST_F(ExecutionFaults, AJobOfTheRightSizeIsUsed) {
    const std::string line =
        "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n 2 " ORRERY_BINARY
        " -q validate " +
        folder.path("e.yaml") + " --on mpi --emulate-compute --json >" + folder.path("out") + " 2>" +
        folder.path("err");
    ASSERT_EQ(std::system(line.c_str()), 0) << folder.contents("err");
    const nlohmann::json result = nlohmann::json::parse(folder.contents("out"));
    EXPECT_EQ(result["ranks"], 2);
    EXPECT_TRUE(result["in_simulated_order"].get<bool>());
}

TEST(ExecutionWithoutMpirun, ExitsWithThreeAndOneLine) {
    if (!mpi_here()) GTEST_SKIP() << "no MPI here";
    const ScratchFolder folder;
    folder.write("e.yaml", kExperiment);
    fs::create_directories(folder.path("empty"));
    const std::string line = "PATH=" + folder.path("empty") + " " ORRERY_BINARY " -q validate " +
                             folder.path("e.yaml") + " --on mpi --emulate-compute >" + folder.path("out") +
                             " 2>" + folder.path("err");
    const int status = std::system(line.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 3);
    const std::string err = folder.contents("err");
    EXPECT_NE(err.find("mpirun"), std::string::npos) << err;
    EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
}

}  // namespace
}  // namespace orrery
