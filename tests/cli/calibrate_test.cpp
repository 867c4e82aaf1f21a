#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
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

}  // namespace
}  // namespace orrery
