// profiler/collective_samples.hpp
//
// Measured collectives: tables with the columns of calibrations/data/nccl.csv, one nccl-tests row each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sim/program.hpp"

namespace orrery::profiler {

struct CollectiveSample {
    std::string gpu;
    int gpus = 0;
    int nodes = 0;
    std::string network;
    sim::CollectiveKind kind = sim::CollectiveKind::all_reduce;
    double bytes = 0;
    double time_s = 0;
    std::string software;
    std::string source;
    /// What NCCL ran, where the source says or the bandwidth leaves one choice (over two nodes a ring cannot
    /// exceed the NICs, a tree can); empty: not known. An optional column.
    std::string algorithm;

    /// GPUs that one process drives ("-g 8" in `software`), else 1. Such a process launches on one GPU after
    /// the other, so that small sizes measure its launches.
    [[nodiscard]] int gpus_per_process() const;
};

/// Reads a table. Rows without bytes or time are left out. Throws InputError (file, line, key) for a missing
/// column, a value that is no number or out of range, or an unknown collective.
std::vector<CollectiveSample> read_collective_samples(const std::filesystem::path& path);

}  // namespace orrery::profiler
