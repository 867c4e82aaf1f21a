// study/experiment_table.hpp
//
// The keys of an experiment's file, as they are written: what may be left out is optional here and gets its
// value in experiment.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "study/cluster_choice.hpp"
#include "study/experiment.hpp"
#include "study/moe_table.hpp"

namespace orrery::study {

struct ParallelChoice {
    parallel::Parallelism degrees;
    std::optional<int> dp;
    std::optional<bool> overlap_p2p;
    std::vector<int> partition;
};

struct ScheduleChoice {
    std::string name = "1f1b";
    std::optional<int> vpp;
    std::string variant;
    std::optional<int> slices;
    std::vector<std::int64_t> slice_lengths;
    bool search_slices = false;  ///< slice_lengths: auto
    std::optional<double> memory_limit;
};

struct RecomputeChoice {
    parallel::RecomputePolicy policy = parallel::RecomputePolicy::none;
    parallel::RecomputeMethod method = parallel::RecomputeMethod::uniform;
    int layers = 1;
    std::vector<parallel::RecomputePolicy> per_layer;
};

struct OffloadChoice {
    parallel::OffloadTarget target = parallel::OffloadTarget::none;
    std::vector<parallel::OffloadTarget> per_layer;
    std::vector<int> partners;
};

struct TrainingChoice {
    parallel::Training training;
    RecomputeChoice recompute;
    OffloadChoice offload;
};

/// The whole file.
struct ExperimentFile {
    Experiment experiment;  ///< its plain keys
    ClusterChoice cluster;
    ParallelChoice parallel;
    ScheduleChoice schedule;
    TrainingChoice training;
    std::optional<MoeChoice> moe;
};

const schema::Table<ExperimentFile>& experiment_table();

}  // namespace orrery::study
