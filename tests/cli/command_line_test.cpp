#include "command_line.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace orrery {
namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

Outcome orrery_command(const std::string& arguments) {
    const auto stem = std::filesystem::temp_directory_path() / ("orrery_cli_" + std::to_string(::getpid()));
    const std::string out = stem.string() + ".out";
    const std::string err = stem.string() + ".err";
    // Redirections of the arguments come last, and win.
    const std::string line = std::string("> ") + out + " 2> " + err + " " + ORRERY_BINARY + " " + arguments;
    const int status = std::system(line.c_str());
    Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
    std::filesystem::remove(out);
    std::filesystem::remove(err);
    return outcome;
}

TEST(CommandLine, RunsTheBinary) {
    EXPECT_EQ(orrery_command("--version").status, 0);
}

}  // namespace orrery
