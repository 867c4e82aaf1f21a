#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "command_line.hpp"
#include "core/atomic_file.hpp"

namespace orrery {
namespace {

const std::string kSource = ORRERY_SOURCE_DIR;

TEST(CalibrateCommand, RedoesACommittedCalibration) {
    const std::string out = testing::TempDir() + std::to_string(::getpid()) + "-h200.yaml";
    const Outcome outcome =
        orrery_command("calibrate --gpu h200 " + kSource + "/calibrations/data/*.csv --out " + out);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("GEMM bf16"), std::string::npos);
    EXPECT_EQ(read_file(out, 1 << 20), read_file(kSource + "/calibrations/h200.yaml", 1 << 20));
}

TEST(CalibrateCommand, RefusesAnUnknownGpuAndWritesNothing) {
    const std::string out = testing::TempDir() + std::to_string(::getpid()) + "-none.yaml";
    const Outcome outcome =
        orrery_command("calibrate --gpu h300 " + kSource + "/calibrations/data/gpus.csv --out " + out);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("h200"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(out));
}

/// What all_reduce_perf would print on eight GPUs of a machine whose collectives are as `calibration` says.
std::string nccl_log(const std::string& calibration) {
    std::string text = "# nThread 1 nGpus 1\n# Using devices\n";
    for (int rank = 0; rank < 8; ++rank)
        text += fmt::format("#  Rank {} Group  0 Pid 1 on here device {} [0x07] NVIDIA A100-SXM4-80GB\n",
                            rank, rank);
    text += "#       size         count      type   redop    root     time   algbw   busbw #wrong\n";
    for (double bytes = 4096; bytes <= 4096.0 * (1 << 18); bytes *= 4) {
        const Outcome one =
            orrery_command(fmt::format("collective all-reduce --bytes {:.0f} --ranks 8 --cluster dgx-a100 "
                                       "--calibration {} --json",
                                       bytes, calibration));
        const double time = nlohmann::json::parse(one.out).at("time_s");
        text += fmt::format("{:.0f} {:.0f} float sum -1 {:.3f} {:.4f} {:.4f} 0\n", bytes, bytes / 4,
                            time * 1e6, bytes / time * 1e-9, 1.75 * bytes / time * 1e-9);
    }
    return text;
}

TEST(CalibrateCommand, TurnsNcclTestsOutputIntoACalibrationThatRunsUse) {
    const std::string folder = testing::TempDir() + std::to_string(::getpid());
    const std::string log = folder + "-nccl.txt";
    const std::string out = folder + "-mine.yaml";
    write_file_atomically(log, nccl_log("h100-nvswitch-efa"));
    const Outcome made =
        orrery_command("calibrate " + log + " --node dgx-a100 --note 'a test' --json --out " + out);
    ASSERT_EQ(made.status, 0) << made.err;
    const auto json = nlohmann::json::parse(made.out);
    EXPECT_EQ(json.at("samples"), 10);
    EXPECT_EQ(json.at("provenance").back(), "a test");
    EXPECT_EQ(json.at("fits").at(0).at("what"), "all, 1e03 bytes");

    const auto time = [](const std::string& calibration) -> double {
        const Outcome one = orrery_command(
            "collective all-reduce --bytes 32MiB --ranks 8 --cluster dgx-a100 --json --calibration " +
            calibration);
        EXPECT_EQ(one.status, 0) << one.err;
        return nlohmann::json::parse(one.out).at("time_s");
    };
    EXPECT_GT(std::abs(time("a100-nvswitch-ib") / time("h100-nvswitch-efa") - 1), 0.1);
    EXPECT_NEAR(time(out) / time("h100-nvswitch-efa"), 1, 0.05);
    const Outcome run = orrery_command("run " + kSource +
                                       "/configs/workstation.yaml --set training.global_batch=64 --set "
                                       "\"cluster={node: dgx-a100, nodes: 1, collectives: " +
                                       out + "}\" --json");
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("measured: 10 rows of all-reduce on 1 node of 8 x NVIDIA A100-SXM4-80GB"),
              std::string::npos);

    const Outcome printed = orrery_command("calibrate " + log + " --node dgx-a100");
    EXPECT_EQ(printed.status, 0);
    EXPECT_EQ(printed.out.substr(0, printed.out.find("name:")),
              "# Collectives, fitted by profiler/fit_collectives. Times in seconds.\n");
    EXPECT_NE(printed.err.find("held out"), std::string::npos);

    const Outcome no_node = orrery_command("calibrate " + log + " --out " + out);
    EXPECT_EQ(no_node.status, 2);
    EXPECT_NE(no_node.err.find("--node"), std::string::npos) << no_node.err;
    EXPECT_EQ(orrery_command("calibrate " + log + " --node dgx-a10").status, 2);
    EXPECT_EQ(orrery_command("calibrate --node dgx-a100").status, 2);
}

}  // namespace
}  // namespace orrery
