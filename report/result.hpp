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

#include "sim/metrics/kernel_use.hpp"
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

/// Kernels of one family in one phase (sim/metrics/kernel_use.hpp).
using sim::KernelUse;

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

/// How tokens fell on experts, of a model that has them. An imbalance is the most over the mean: 1 is even.
struct ExpertResult {
    std::string routing;          ///< in words
    double dispatch_s = 0;        ///< copies to their experts, forward and backward: of the rank with most
    double combine_s = 0;         ///< and back
    double expert_imbalance = 1;  ///< of the copies that each expert is chosen for, mean over the gatings
    double worst_expert_imbalance = 1;
    double rank_imbalance = 1;  ///< of the copies that each rank works on, capacity and padding included
    double worst_rank_imbalance = 1;
    double dropped = 0;                ///< of all copies, a fraction
    std::vector<double> expert_share;  ///< of one gating: by expert, adding up to 1
    std::vector<double> rank_share;    ///< by rank of the expert-parallel group
};

struct SimulationInfo {
    std::uint64_t tasks = 0;
    /// Wall-clock; left empty where the output must not depend on the machine (goldens, --deterministic).
    std::optional<double> wall_s;
    std::optional<double> tasks_per_s;
};

/// A link that was busy; of links that cannot be told apart, or were busy alike, one.
struct LinkResult {
    std::string name;               ///< of the first
    std::string tier;               ///< "node", "network", "host"
    std::uint32_t links = 1;        ///< how many it stands for
    double bytes = 0;               ///< of payload, in the step
    double utilisation = 0;         ///< bytes on the wire / (bandwidth x step time)
    std::vector<double> over_time;  ///< the same in each slice of NetworkResult::slice_s
};

struct CollectiveBytes {
    std::string kind;          ///< "all-reduce", "copy"
    double node_bytes = 0;     ///< summed over links inside nodes, and to hosts
    double network_bytes = 0;  ///< summed over links between nodes
};

/// How collectives of one kind were carried out, over all GPUs.
struct CollectiveUse {
    std::string kind;         ///< "all-reduce"
    std::string algorithm;    ///< "ring"
    std::string protocol;     ///< "LL128"; empty where the engine knows none
    bool forced = false;      ///< by the experiment's key `collectives`, not chosen by the calibration
    double operations = 0;    ///< in the step
    double buffer_bytes = 0;  ///< of their full buffers together (sim/program.hpp's Collective::bytes)
};

/// What the links carried. Bytes of payload, summed over the links that they crossed.
struct NetworkResult {
    std::vector<CollectiveUse> collectives;
    std::vector<std::pair<std::string, double>> bytes_by_tier;
    std::vector<CollectiveBytes> by_kind;
    std::vector<LinkResult> hottest;  ///< of each tier; the busiest first
    double slice_s = 0;
};

/// What failures, checkpoints and restarts leave of the step's speed (study/goodput.hpp).
struct Goodput {
    double mtbf_s = 0;  ///< of the whole job
    double checkpoint_bytes = 0;
    double checkpoint_s = 0;  ///< of writing one
    double young_interval_s = 0;
    double daly_interval_s = 0;
    double interval_s = 0;  ///< of training between two checkpoints, as simulated: whole steps
    std::int64_t interval_steps = 0;
    double expected = 0;   ///< training over wall-clock time, closed form
    double simulated = 0;  ///< the same, failure by failure
    double lost = 0;       ///< simulated: trained again, over wall-clock time ...
    double written = 0;
    double restarted = 0;
    std::int64_t failures = 0;
    double tokens_per_s = 0;  ///< expected
};

/// One line of the plan ("tp", "8") or of the sources ("GPU peak", "NVIDIA A100 data sheet ...").
using NamedText = std::pair<std::string, std::string>;

struct Result {
    std::string experiment;   ///< its name: "quickstart", or the model on the cluster
    std::string engine;       ///< "replay", "flow", "simgrid"
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
    std::vector<KernelUse>
        kernels;  ///< of the busiest rank; their seconds are its compute and optimizer time
    Memory memory;
    std::vector<StageResult> per_stage;
    std::optional<ExpertResult> moe;
    SimulationInfo simulation;
    std::optional<NetworkResult> network;  ///< where the engine has links
    std::optional<Goodput> goodput;        ///< where the experiment says how often parts fail

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
