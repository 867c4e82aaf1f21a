// profiler/runs/measured_run.hpp
//
// What a tool recorded of one rank of a real training job: device work with its times, and where the host
// says so, the step. Read from PyTorch profiler (Kineto) traces, Nsight Systems' SQLite export and Chakra
// execution traces. A run that something is fitted to is never shown as validation (sim::Calibration::runs).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::profiler {

/// Families that both a trace's kernel names and Orrery's tasks can be told apart by.
enum class RunFamily : std::uint8_t {
    gemm,
    grouped_gemm,
    attention,
    normalization,
    softmax,
    gather,
    optimizer,
    fill,
    elementwise,
    copy,
    other,
    all_reduce,
    all_gather,
    reduce_scatter,
    broadcast,
    all_to_all,
    send_recv,
    other_collective,
};
inline constexpr std::size_t kRunFamilies = 18;

/// "gemm", "all_reduce", ...
std::string_view to_string(RunFamily family);
[[nodiscard]] constexpr bool communicates(RunFamily family) {
    return family >= RunFamily::all_reduce;
}

/// The family of a device kernel by its name, as cuBLAS, CUTLASS, cuDNN, FlashAttention, PyTorch, Apex,
/// Transformer Engine, Triton, NCCL and DeepEP name theirs. What no rule knows is `other`.
RunFamily family_of(std::string_view kernel_name);

struct MeasuredTask {
    std::int32_t name = 0;  ///< index into MeasuredRun::names
    RunFamily family = RunFamily::other;
    std::int64_t stream = 0;
    double start_s = 0;  ///< from the first task's start
    double end_s = 0;
};

struct MeasuredRun {
    std::string source;  ///< the file
    std::string format;  ///< "kineto", "nsight-systems", "chakra"
    std::string device;
    std::int64_t rank = -1;
    double step_time_s = 0;      ///< from annotations of steps, else the span of the tasks
    std::string step_time_from;  ///< says which
    int steps = 1;               ///< that the tasks belong to
    std::vector<std::string> names;
    std::vector<MeasuredTask> tasks;  ///< by start
};

/// Reads a trace, gzip-compressed or not, telling the formats by their content. Throws InputError (the file
/// named) for what is none of them, is cut off, has values of another type than the format's, is larger than
/// 1 GiB unpacked, or holds no device work.
MeasuredRun read_run(const std::string& path);

// The formats, from text; `file` is for messages.
MeasuredRun parse_kineto(std::string_view json, const std::string& file);
MeasuredRun parse_chakra(std::string_view json, const std::string& file);
MeasuredRun read_nsight_export(const std::string& path);

/// Sorts tasks, moves the first start to 0 and fills in what follows; throws InputError when there are none.
void complete(MeasuredRun& run);

}  // namespace orrery::profiler
