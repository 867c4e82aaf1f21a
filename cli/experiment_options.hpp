// cli/experiment_options.hpp
//
// The options that `run` and `compare` share: what to change in an experiment before it runs.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "study/experiment.hpp"
#include "study/simulate.hpp"

namespace orrery::cli {

struct ExperimentOptions {
    std::vector<std::string> set;  ///< "key=value"
    bool no_fold = false;
    std::string engine;
    bool timing = false;
    std::string out;
    bool json = false;
    bool links = false;  ///< engine replay: work out what the links carried, which takes as long as the rest
};

void add_experiment_options(CLI::App& command, ExperimentOptions& options);

/// What the options change, as "key=value".
std::vector<std::string> overrides(const ExperimentOptions& options);

/// Reads the experiment with the options applied. Throws InputError.
study::Experiment load(const std::string& name_or_path, const ExperimentOptions& options);

/// An experiment that has been simulated.
struct Outcome {
    study::Experiment experiment;
    study::Simulation simulation;
    report::Result result;
    std::string too_large;  ///< what to change where it does not fit; empty where it does
};

/// Simulates and summarizes; where the experiment does not fit, says so among the result's notes.
Outcome simulate(study::Experiment experiment, const ExperimentOptions& options);

}  // namespace orrery::cli
