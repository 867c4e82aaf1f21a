// The same input gives the same bytes, on any number of threads; an interrupted command leaves whole files or
// none. The rows of data/recorded_runs.csv are published runs; the column `source` says whose.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "command_line.hpp"
#include "signalled_command.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

const std::string kRuns = ORRERY_SOURCE_DIR "/tests/cli/data/recorded_runs.csv";

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// The files of a folder by name, with their bytes.
std::map<std::string, std::string> files_of(const fs::path& folder) {
    std::map<std::string, std::string> files;
    if (!fs::exists(folder)) return files;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        files[entry.path().filename().string()] = contents(entry.path());
    }
    return files;
}

class Reliability : public testing::Test {
  protected:
    void SetUp() override {
        folder = fs::temp_directory_path() / ("orrery_reliability_" + std::to_string(::getpid()));
        fs::create_directories(folder);
    }
    void TearDown() override { fs::remove_all(folder); }

    fs::path folder;
};

TEST_F(Reliability, ValidationPrintsTheSameBytesOnOneThreadAndOnTwo) {
    const Outcome one = orrery_command("validate --json --jobs 1 --runs " + kRuns);
    ASSERT_EQ(one.status, 0) << one.err;
    const auto result = nlohmann::json::parse(one.out);
    EXPECT_GT(result["runs_compared"].get<int>(), 3);
    EXPECT_EQ(orrery_command("validate --json --jobs 1 --runs " + kRuns).out, one.out) << "again";
    EXPECT_EQ(orrery_command("validate --json --jobs 2 --runs " + kRuns).out, one.out) << "on two threads";
}

TEST_F(Reliability, ValidationWritesTheSameFilesOnOneThreadAndOnTwo) {
    const std::string command = "validate --runs " + kRuns + " --out " + folder.string();
    ASSERT_EQ(orrery_command(command + "/one --jobs 1").status, 0);
    ASSERT_EQ(orrery_command(command + "/two --jobs 2").status, 0);
    const auto one = files_of(folder / "one");
    EXPECT_TRUE(one.contains("result.json"));
    EXPECT_TRUE(one.contains("report.html"));
    EXPECT_TRUE(files_of(folder / "two") == one);
}

TEST_F(Reliability, ARunWritesTheSameFilesTwice) {
    const std::string command = "run " ORRERY_SOURCE_DIR "/configs/quickstart.yaml --out " + folder.string();
    ASSERT_EQ(orrery_command(command + "/one").status, 0);
    ASSERT_EQ(orrery_command(command + "/two").status, 0);
    const auto one = files_of(folder / "one");
    EXPECT_TRUE(one.contains("result.json"));
    EXPECT_TRUE(one.contains("report.html"));
    EXPECT_TRUE(one.contains("trace.json.gz"));
    EXPECT_TRUE(files_of(folder / "two") == one);
}

/// A table of the recorded rows, many times over: work for longer than any test waits.
fs::path long_table(const fs::path& folder, int repeats) {
    std::istringstream recorded(contents(kRuns));
    std::string header, line, rows;
    std::getline(recorded, header);
    while (std::getline(recorded, line)) rows += line + "\n";
    const fs::path path = folder / "long.csv";
    std::ofstream file(path);
    file << header << "\n";
    for (int i = 0; i < repeats; ++i) file << rows;
    return path;
}

int interrupted_after(std::chrono::milliseconds delay, const std::vector<std::string>& arguments) {
    return signalled_after(SIGINT, delay, arguments);
}

TEST_F(Reliability, AnInterruptedValidationWritesNothing) {
    const fs::path table = long_table(folder, 5000);
    const fs::path out = folder / "out";
    const int status =
        interrupted_after(std::chrono::milliseconds(200),
                          {ORRERY_BINARY, "validate", "--runs", table.string(), "--out", out.string()});
    EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_EQ(files_of(out).size(), 0U);
}

// Wherever the signal falls, also while files are written: each file is whole or not there.
TEST_F(Reliability, AnInterruptedValidationLeavesNoHalfFile) {
    const fs::path whole = folder / "whole";
    ASSERT_EQ(orrery_command("validate --runs " + kRuns + " --out " + whole.string()).status, 0);
    const auto expected = files_of(whole);
    for (int round = 0; round < 12; ++round) {
        const fs::path out = folder / ("out" + std::to_string(round));
        interrupted_after(std::chrono::milliseconds(20 * round),
                          {ORRERY_BINARY, "validate", "--runs", kRuns, "--out", out.string()});
        for (const auto& [name, bytes] : files_of(out)) {
            ASSERT_TRUE(expected.contains(name)) << name;
            EXPECT_EQ(bytes, expected.at(name)) << name;
        }
    }
}

}  // namespace
}  // namespace orrery
