#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

#include "command_line.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

TEST(ProfileCommand, WithoutAGpuSaysSoInOneLineAndExitsWithThree) {
    const ScratchFolder folder;
    const Outcome outcome = orrery_command("profile --out " + folder.path("samples.jsonl"));
    if (outcome.status == 0) GTEST_SKIP() << "this machine has a GPU";
    EXPECT_EQ(outcome.status, 3);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find("--device cpu"), std::string::npos) << outcome.err;
    EXPECT_TRUE(outcome.out.empty());
    EXPECT_TRUE(folder.files().empty());
}

TEST(ProfileCommand, MeasuresTheCpuAndResumes) {
    const ScratchFolder folder;
    const std::string command =
        "profile --device cpu --quick --only add --only fill --out " + folder.path("s.jsonl");
    const Outcome first = orrery_command(command);
    ASSERT_EQ(first.status, 0) << first.err;
    const std::string written = folder.contents("s.jsonl");
    EXPECT_GE(std::count(written.begin(), written.end(), '\n'), 4);
    EXPECT_NE(written.find("\"operation\":\"add\""), std::string::npos);
    EXPECT_NE(written.find(command), std::string::npos);
    const Outcome second = orrery_command(command + " --json");
    ASSERT_EQ(second.status, 0) << second.err;
    EXPECT_NE(second.out.find("\"measured\": 0"), std::string::npos) << second.out;
    EXPECT_EQ(folder.contents("s.jsonl"), written);
}

TEST(ProfileCommand, ProfilesCalibratesAndPredictsOnAnyMachine) {
    const ScratchFolder folder;
    const std::string samples = folder.path("cpu.jsonl");
    const std::string calibration = folder.path("cpu.yaml");
    const Outcome profile =
        orrery_command("profile --device cpu --quick --most-flops 2e7 --most-bytes 1000000 --out " + samples);
    ASSERT_EQ(profile.status, 0) << profile.err;
    const Outcome fit = orrery_command("calibrate " + samples + " --gpu cpu-core --out " + calibration);
    ASSERT_EQ(fit.status, 0) << fit.err;
    EXPECT_NE(folder.contents("cpu.yaml").find("kind: measured"), std::string::npos);
    folder.write(
        "e.yaml",
        "model: {family: gpt, name: tiny, layers: 4, hidden: 256, heads: 4, vocab: 1000, seq_length: 128}\n"
        "cluster: {node: cpu-host, nodes: 1}\n"
        "parallel: {tp: 1, pp: 2, dp: 2}\n"
        "schedule: 1f1b\n"
        "training: {global_batch: 8, micro_batch: 1, seq_length: 128, precision: fp32}\n"
        "calibration: " +
            calibration + "\n");
    const Outcome predicted = orrery_command("run " + folder.path("e.yaml") + " --json");
    ASSERT_EQ(predicted.status, 0) << predicted.err;
    EXPECT_NE(predicted.out.find("\"step_time_s\""), std::string::npos);
}

TEST(ProfileCommand, NamesWhatItDoesNotKnow) {
    const Outcome device = orrery_command("profile --device gpu --out x");
    EXPECT_EQ(device.status, 2);
    const Outcome operation = orrery_command("profile --device cpu --only gem --list");
    EXPECT_EQ(operation.status, 2);
    EXPECT_NE(operation.err.find("did you mean 'gemm'"), std::string::npos) << operation.err;
}

TEST(ProfileCommand, SweepsMpiBetweenTwoProcessesInTheLayoutOfNcclTests) {
    const std::string binary = ORRERY_BINARY;
    const std::string module = binary.substr(0, binary.rfind('/')) + "/liborrery_mpi.so";
    if (std::system("command -v mpirun >/dev/null") != 0 || ::access(module.c_str(), R_OK) != 0) {
        GTEST_SKIP() << "no MPI here";
    }
    const ScratchFolder folder;
    const std::string command =
        "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n 2 " + binary +
        " profile --communication mpi --quick --most-bytes 64 --out " + folder.path("m.txt") +
        " >/dev/null 2>" + folder.path("err");
    ASSERT_EQ(std::system(command.c_str()), 0) << folder.contents("err");
    const std::string text = folder.contents("m.txt");
    EXPECT_NE(text.find("# Collective test starting: all_reduce_perf"), std::string::npos);
    std::istringstream lines(text);
    std::string line;
    int rows = 0;
    while (std::getline(lines, line)) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream cells(line);
        double size = 0;
        double count = 0;
        std::string type, operation, root;
        double time = 0;
        ASSERT_TRUE(cells >> size >> count >> type >> operation >> root >> time) << line;
        EXPECT_EQ(size, 4 * count);
        EXPECT_GT(time, 0);
        ++rows;
    }
    EXPECT_EQ(rows, 6 * 4);  // six collectives of 8, 16, 32 and 64 bytes
    EXPECT_EQ(orrery_command("profile --communication mpi --out " + folder.path("x")).status, 1);
}

}  // namespace
}  // namespace orrery
