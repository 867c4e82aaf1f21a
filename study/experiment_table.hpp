// study/experiment_table.hpp
//
// The keys of an experiment's file, as they are written: what may be left out is optional here and gets its
// value in experiment.cpp.
#pragma once

#include <optional>
#include <string>

#include "study/experiment.hpp"

namespace orrery::study {

/// `cluster:`. Figures that are given replace those of the node and its fabric.
struct ClusterChoice {
    std::string node;
    std::optional<int> nodes;
    std::optional<int> gpus;
    std::string fabric;
    std::optional<int> nics;
    std::optional<double> nic_bandwidth;
    std::optional<double> nic_latency_s;
    std::optional<double> gpu_link_bandwidth;
    std::optional<double> gpu_link_latency_s;
    std::optional<double> gpu_memory_bytes;
    std::optional<double> oversubscription;
    std::string collectives;
};

struct ParallelChoice {
    parallel::Parallelism degrees;
    std::optional<int> dp;
};

struct ScheduleChoice {
    std::string name = "1f1b";
    std::optional<int> vpp;
    std::string variant;
};

struct RecomputeChoice {
    parallel::RecomputePolicy policy = parallel::RecomputePolicy::none;
    parallel::RecomputeMethod method = parallel::RecomputeMethod::uniform;
    int layers = 1;
};

struct TrainingChoice {
    parallel::Training training;
    RecomputeChoice recompute;
};

/// The whole file.
struct ExperimentFile {
    Experiment experiment;  ///< its plain keys
    ClusterChoice cluster;
    ParallelChoice parallel;
    ScheduleChoice schedule;
    TrainingChoice training;
};

const schema::Table<ExperimentFile>& experiment_table();

}  // namespace orrery::study
