// report/result.hpp
//
// What one experiment came out as: exactly the content of result.json (docs/result.schema.json). `study`
// fills it from an engine's timeline and sim/metrics; tables, pages and JSON are made from it and from
// nothing else. Units: seconds, bytes, FLOP/s; ratios are fractions, not percent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/metrics/metrics.hpp"
#include "sim/program.hpp"

namespace orrery::report {

/// Bytes by what they hold; index by sim::MemoryKind.
using BytesByKind = std::array<double, static_cast<std::size_t>(sim::MemoryKind::kCount)>;

/// Sum over the kinds.
double total_bytes(const BytesByKind& bytes);

/// Where the seconds of a step go on one compute stream (sim/metrics/metrics.hpp); the parts add up to the
/// step.
using sim::Breakdown;
using sim::ExposedCommunication;

struct Memory {
    double peak_bytes = 0;        ///< of the fullest rank
    std::uint32_t peak_rank = 0;  ///< its global device number
    double capacity_bytes = 0;    ///< of one GPU
    bool fits = true;             ///< peak_bytes <= capacity_bytes
    BytesByKind by_kind_bytes{};  ///< what was alive on peak_rank at its peak; adds up to peak_bytes
};

/// One pipeline device (all of them do the work of one stage, or of `vpp` virtual stages).
struct StageResult {
    int stage = 0;
    int layers = 0;  ///< transformer layers it holds
    Breakdown breakdown;
    BytesByKind peak_by_kind_bytes{};  ///< alive at the stage's own peak
};

struct SimulationInfo {
    std::uint64_t tasks = 0;
    /// Wall-clock; left empty where the output must not depend on the machine (goldens, --deterministic).
    std::optional<double> wall_s;
    std::optional<double> tasks_per_s;
};

/// One line of the plan ("tp", "8") or of the sources ("GPU peak", "NVIDIA A100 data sheet ...").
using NamedText = std::pair<std::string, std::string>;

struct Result {
    std::string experiment;   ///< its name: "quickstart", or the model on the cluster
    std::string engine;       ///< "replay", "simgrid"
    std::string calibration;  ///< "a100-sxm-80g"
    std::int64_t gpus = 0;

    double step_time_s = 0;
    double tokens_per_s = 0;
    double tokens_per_s_per_gpu = 0;
    double model_tflops_per_gpu = 0;  ///< TFLOP/s, without recomputation
    double mfu = 0;
    double hfu = 0;
    double bubble_ratio = 0;
    double bubble_ratio_span = 0;
    double bubble_overhead = 0;
    Breakdown breakdown;  ///< of the busiest rank
    Memory memory;
    std::vector<StageResult> per_stage;
    SimulationInfo simulation;

    /// The formula of the model FLOPs, and whether causal attention is counted half.
    std::string flop_formula;
    std::vector<NamedText> plan;     ///< summary, in the order to show
    std::vector<NamedText> sources;  ///< where the figures behind the prediction come from
    std::vector<std::string> notes;  ///< predictions outside the calibrated range, fallbacks
};

/// The meaning of each headline metric in one sentence, as every report prints it beside the number.
namespace words {
inline constexpr const char* kStepTime =
    "one optimizer step, first task's start to last task's end over all ranks, in steady state";
inline constexpr const char* kTokens = "tokens of the global batch / step time";
inline constexpr const char* kMfu =
    "model FLOPs (no recomputation) / (step time x GPUs x peak of the precision)";
inline constexpr const char* kHfu = "as mfu, recomputed FLOPs counted too";
inline constexpr const char* kBubbleRatio =
    "idle share of the busiest rank's compute stream from 0 to the last task's end; exposed communication "
    "counted apart";
inline constexpr const char* kBubbleRatioSpan =
    "the same over the longest span of one stage (the zero-bubble papers' definition)";
inline constexpr const char* kBubbleOverhead = "makespan / ideal - 1";
inline constexpr const char* kPeakMemory = "of the fullest rank, by event over the timeline";
}  // namespace words

}  // namespace orrery::report
