// The examples of README.md work as pasted: every command of its ```sh blocks that calls orrery exits 0.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

const std::string kSourceDir = ORRERY_SOURCE_DIR;
const std::string kOrrery = "build/release/orrery ";

std::vector<std::string> commands_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> commands;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("```")) {
            inside = line == "```sh";
        } else if (inside && line.starts_with(kOrrery)) {
            commands.push_back(line.substr(kOrrery.size()));
            while (commands.back().ends_with("\\") && std::getline(file, line)) {
                commands.back().pop_back();
                commands.back() += line;
            }
        }
    }
    return commands;
}

TEST(Readme, ItsExamplesWorkAsPasted) {
    const ScratchFolder folder;
    const std::vector<std::string> commands = commands_of(kSourceDir + "/README.md");
    EXPECT_GE(commands.size(), 5U);
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(kSourceDir);
    for (std::string command : commands) {
        // The reports go elsewhere than a reader's.
        const std::size_t out = command.find("--out out/");
        if (out != std::string::npos) command.replace(out, 10, "--out " + folder.path());
        const Outcome outcome = orrery_command(command);
        EXPECT_EQ(outcome.status, 0) << command << "\n" << outcome.err;
        EXPECT_NE(outcome.out, "") << command;
    }
    std::filesystem::current_path(before);
}

}  // namespace
}  // namespace orrery
