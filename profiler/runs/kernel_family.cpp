// Rules from kernel names to families, the first that matches. Names are data of the libraries that write
// them, seen in published traces (deepseek-ai/profile-data, 2025) and the libraries' sources.
#include <array>
#include <string>
#include <utility>

#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {
namespace {

using enum RunFamily;

constexpr std::array<std::string_view, kRunFamilies> kNames{
    "gemm",       "grouped_gemm",   "attention",   "normalization", "softmax",   "gather",
    "optimizer",  "fill",           "elementwise", "copy",          "other",     "all_reduce",
    "all_gather", "reduce_scatter", "broadcast",   "all_to_all",    "send_recv", "other_collective"};

// Lower case; collectives before kernels, grouped products before dense ones, attention before its softmax.
constexpr std::pair<std::string_view, RunFamily> kRules[] = {
    {"allreduce", all_reduce},
    {"all_reduce", all_reduce},
    {"allgather", all_gather},
    {"all_gather", all_gather},
    {"reducescatter", reduce_scatter},
    {"reduce_scatter", reduce_scatter},
    {"broadcast_ring", broadcast},
    {"nccldevkernel_broadcast", broadcast},
    {"ncclkernel_broadcast", broadcast},
    {"alltoall", all_to_all},
    {"all_to_all", all_to_all},
    {"ep::internode::", all_to_all},
    {"ep::intranode::", all_to_all},
    {"deep_ep::", all_to_all},
    {"sendrecv", send_recv},
    {"ncclkernel", other_collective},
    {"nccldevkernel", other_collective},
    {"nccl", other_collective},
    {"nvshmem", other_collective},
    {"memcpy", copy},
    {"memset", fill},
    {"fillfunctor", fill},
    {"grouped_gemm::cuda::utils", elementwise},
    {"m_grouped", grouped_gemm},
    {"_groupproblemshape", grouped_gemm},
    {"groupproblemshape", grouped_gemm},
    {"grouped_gemm", gemm},
    {"flashattn", attention},
    {"flash_fwd", attention},
    {"flash_bwd", attention},
    {"flash::", attention},
    {"fmha", attention},
    {"sdpa", attention},
    {"attention", attention},
    {"layer_norm", normalization},
    {"layernorm", normalization},
    {"ln_fwd", normalization},
    {"ln_bwd", normalization},
    {"rmsnorm", normalization},
    {"rms_norm", normalization},
    {"softmax", softmax},
    {"cross_entropy", softmax},
    {"nll_loss", softmax},
    {"adam", optimizer},
    {"multi_tensor_apply", optimizer},
    {"gemm", gemm},
    {"nvjet", gemm},
    {"cutlass", gemm},
    {"splitkreduce", gemm},
    {"gemv", gemm},
    {"matmul", gemm},
    {"embedding", gather},
    {"index", gather},
    {"gather", gather},
    {"scatter", gather},
    {"permute", gather},
    {"sort", gather},
    {"topk", gather},
    {"elementwise", elementwise},
    {"copy", elementwise},
    {"cast", elementwise},
    {"transpose", elementwise},
    {"swiglu", elementwise},
    {"gelu", elementwise},
    {"silu", elementwise},
    {"dropout", elementwise},
    {"rotary", elementwise},
    {"rope", elementwise},
    {"reduce", elementwise},
    {"triton_", elementwise},
};

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

}  // namespace

std::string_view to_string(RunFamily family) {
    return kNames.at(static_cast<std::size_t>(family));
}

RunFamily family_of(std::string_view kernel_name) {
    const std::string name = lower_case(kernel_name);
    for (const auto& [pattern, family] : kRules) {
        if (name.find(pattern) != std::string::npos) return family;
    }
    return other;
}

}  // namespace orrery::profiler
