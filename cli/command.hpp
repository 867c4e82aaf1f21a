// cli/command.hpp
//
// A subcommand is one file with one function `Command add_<name>(CLI::App& app)`, listed in the table of
// cli/commands.cpp. It adds its subcommand and options to the app; `run` is called after parsing and returns
// the exit status. What `run` throws becomes the exit status of cli/exit_status.hpp.
//
// With --json a command prints one JSON object to standard output (print_json) and nothing else there. Logs
// go to standard error through spdlog.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace orrery::cli {

struct Command {
    CLI::App* app = nullptr;
    std::function<int()> run;
};

using AddCommand = Command (*)(CLI::App& app);

/// All subcommands, in the order of `orrery --help`.
const std::vector<AddCommand>& commands();

/// Parses, runs, returns the exit status: what main() does.
int run(int argc, const char* const* argv);

/// One object, indented, to standard output.
void print_json(const nlohmann::ordered_json& object);

}  // namespace orrery::cli
