// cli/validate_execution.hpp
//
// orrery validate CONFIG --on mpi|cuda.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <vector>

namespace orrery::cli {

struct ExecutionOptions {
    std::string config;
    std::string on;  ///< "mpi", "cuda"; empty: nothing is executed
    std::vector<std::string> set;
    bool emulate_compute = false;
    bool emulate_communication = false;
    std::optional<double> time_scale;
    std::string costs = "machine";
    int repeat = 3;
    double timeout_s = 60;
    std::string record;    ///< file to save the execution in
    std::string recorded;  ///< file of one that was saved
    std::string out;
    bool json = false;
};

void add_execution_options(CLI::App& command, ExecutionOptions& options);

/// Executes, compares, prints. Returns the exit status.
int validate_execution(const ExecutionOptions& options);

}  // namespace orrery::cli
