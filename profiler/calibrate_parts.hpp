// profiler/calibrate_parts.hpp
//
// The parts of a calibration, each from its tables: what calibrate.cpp puts together. Internal to the room.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "profiler/calibrate.hpp"
#include "sim/cost/gemm_cost.hpp"

namespace orrery::profiler {

// Publications, as provenances name them.
inline constexpr const char* kSimuMax = "MooreThreads/SimuMax@4dcaae5 configs/system";
inline constexpr const char* kVidur = "microsoft/vidur@683364e, 25e529d data/profiling/compute";
inline constexpr const char* kPeaks =
    "stas00/ml-engineering@744d01e compute/accelerator (best shape by search)";

/// A GPU as gpus.csv describes it.
struct Device {
    std::string name;
    double memory_bandwidth = 0;
    int multiprocessors = 0;
    std::map<Precision, double> peak;

    [[nodiscard]] sim::GemmDevice at(Precision precision) const {
        return {peak.at(precision), memory_bandwidth, multiprocessors};
    }
};

/// Throws InputError naming the table that is missing, or the GPU's nearest name.
const Table& table_named(const Tables& tables, const std::string& name);
Device device_named(const Tables& tables, const std::string& name);

bool is_a100_sxm(const std::string& gpu);
bool is_hopper(const std::string& gpu);

/// Dense products in 16 bits; fp8 on top of them where the GPU has it.
sim::GemmModel calibrate_gemm(const std::string& gpu, const Tables& tables);
sim::GemmModel calibrate_fp8_gemm(const std::string& gpu, const Tables& tables, const sim::GemmModel& shape);
sim::GroupedGemmModel calibrate_grouped_gemm(const std::string& gpu, const Tables& tables);
std::vector<sim::AttentionModel> calibrate_attention(const std::string& gpu, const Tables& tables);
std::array<sim::MemoryModel, sim::kMemoryFamilies> calibrate_memory(const std::string& gpu,
                                                                    const Tables& tables);
sim::HostModel calibrate_host(const Tables& tables);

}  // namespace orrery::profiler
