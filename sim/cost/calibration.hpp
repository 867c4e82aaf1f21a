// sim/cost/calibration.hpp
//
// A calibration: what one GPU's kernels cost, as fitted from samples (measured or published), with where each
// group of numbers comes from, how well it fits and where it holds. One YAML file a GPU, calibrations/*.yaml,
// written by `orrery calibrate` and read by everything that prices kernels. Units: seconds, bytes/s, FLOP/s;
// "fraction" is of the GPU's data-sheet peak (topologies::Gpu).
//
// Only single-GPU kernels and the host live here; collectives have their own calibration.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "models/kernel.hpp"
#include "sim/cost/gemm_lattice.hpp"

namespace orrery::sim {

/// Where a group of numbers comes from.
struct Provenance {
    /// "measured" (here), "published" (by others), "derived" (from another GPU or kernel: `source` says how)
    /// or "assumed" (no measurement found; `source` says why this value)
    std::string kind;
    std::string source;  ///< machine, date and tool version, or publication
};

/// How well a fit reproduces its samples: relative errors of time, as fractions.
struct FitQuality {
    int samples = 0;
    double median_error = 0;
    double p90_error = 0;
    double worst_error = 0;
    std::string worst_sample;    ///< "m=4096 n=512 k=32768 nn"
    double held_out_median = 0;  ///< by k-fold cross-validation; 0 when too few samples to hold any out
    double held_out_p90 = 0;
};

/// The range of arithmetic (FLOP) or traffic (bytes) covered by the samples.
struct Range {
    double low = 0;
    double high = 0;
};

/// A thread block's tile of the output and the fraction of the peak that a full wave of such tiles reaches.
struct GemmTile {
    int m = 0;
    int n = 0;
    double efficiency = 0;
};

/// See sim/cost/gemm_cost.hpp for the model these numbers belong to.
struct GemmModel {
    std::vector<GemmTile> tiles;
    double prologue_k = 0;      ///< steps of k that filling and draining a tile's pipeline costs
    double sustained = 1;       ///< power: fraction of the peak that a long, dense product can hold
    double fixed_s = 0;         ///< start and end of any kernel
    double bandwidth = 1;       ///< fraction of the peak bandwidth at which operands stream in
    double exposed_output = 0;  ///< share of the output's traffic that compute does not hide
    std::array<double, 3> layout = {1, 1, 1};  ///< time multipliers: tn, nn, nt
    /// Time multiplier where a dimension that must be contiguous is a multiple of only 4, 2, 1 elements.
    std::array<double, 3> unaligned = {1, 1, 1};
    GemmLattice lattice;  ///< measured corrections to the formula, where they help
    Range flops;
    FitQuality quality;
    Provenance provenance;
};

/// Grouped GEMM (MoE experts): the dense model's time for the same tiles, slowed.
struct GroupedGemmModel {
    double slowdown = 1;     ///< of the tiles' time against a dense product
    double per_group_s = 0;  ///< scheduling of each group
    double bandwidth = 1;    ///< fraction of the peak bandwidth at which the groups' weights stream in
    Range flops;
    FitQuality quality;
    Provenance provenance;
};

/// Fused attention of one implementation, direction and head size; see sim/cost/attention_cost.hpp.
struct AttentionModel {
    AttentionImplementation implementation = AttentionImplementation::flash2;
    bool backward = false;
    int head_dim = 0;
    int rows = 128;         ///< query rows (backward: keys) of a thread block
    double efficiency = 0;  ///< fraction of the peak while the inner loop runs
    double overhead = 0;    ///< a row block's start and end, in key positions
    double diagonal = 0;    ///< causal: key positions executed beyond the triangle, per row block
    double tail = 0;        ///< uneven last wave, as a fraction of the longest row block
    double fixed_s = 0;
    Range flops;
    FitQuality quality;
    Provenance provenance;
};

/// Memory-bound kernels of one family: fixed_s + bytes / (bandwidth * peak).
struct MemoryModel {
    double fixed_s = 0;
    double bandwidth = 1;
    Range bytes;
    FitQuality quality;
    Provenance provenance;
};

/// A time of the host with the spread that publications give.
struct HostTime {
    double seconds = 0;
    double low = 0;
    double high = 0;
    Provenance provenance;
};

/// What the host pays to issue work. `*_operator`: one framework operator (dispatch, autograd, allocation,
/// launch of its kernel).
struct HostModel {
    HostTime forward_operator;
    HostTime backward_operator;
    HostTime optimizer_operator;
    HostTime collective;      ///< one torch.distributed collective call
    HostTime point_to_point;  ///< one send or receive of a pipeline
    HostTime graph_launch;    ///< one launch of a captured CUDA graph
    HostTime kernel_launch;   ///< one bare kernel launch
};

inline constexpr std::size_t kMemoryFamilies = 6;

struct Calibration {
    std::string gpu;      ///< name of a GPU of the topology zoo
    std::string summary;  ///< one paragraph for the reader
    /// Recorded runs that something here was fitted to: never to be shown as validation.
    std::vector<std::string> runs;
    std::map<Precision, GemmModel> gemm;
    std::map<Precision, GroupedGemmModel> grouped_gemm;
    std::vector<AttentionModel> attention;
    std::array<MemoryModel, kMemoryFamilies> memory;  ///< by MemoryFamily
    HostModel host;
};

/// Reads a calibration by name (calibrations/<name>.yaml) or path. Throws InputError with file, line, column
/// and key for anything missing, misspelt or out of range.
Calibration load_calibration(const std::string& name_or_path);

/// The same from text; `file` is for messages.
Calibration parse_calibration(const std::string& text, const std::string& file);

/// The YAML text of a calibration. parse_calibration(to_yaml(c)) == c up to the six digits written.
std::string to_yaml(const Calibration& calibration);

/// "flash2": an implementation's name in files.
const std::string& to_string(AttentionImplementation implementation);

/// Names of the committed calibrations, sorted.
std::vector<std::string> calibration_names();

}  // namespace orrery::sim
