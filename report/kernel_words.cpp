#include "report/kernel_words.hpp"

#include <fmt/format.h>

#include "report/units.hpp"

namespace orrery::report {

std::string family_in_words(const KernelUse& use) {
    if (use.family == "gemm") return "matrix products";
    if (use.family == "grouped_gemm") return "experts' matrix products";
    if (use.family == "normalization") return "norms";
    if (use.family == "softmax") return "softmax and loss";
    if (use.family == "gather") return "embedding and gathers";
    if (use.family == "optimizer") return "optimizer's pass";
    if (use.family == "fill") return "zeroing";
    return use.family;
}

std::string reached(const KernelUse& use) {
    if (use.seconds <= 0) return "-";
    if (use.flops > 0) return significant(use.flops / use.seconds / 1e12) + " TFLOP/s";
    return significant(use.bytes / use.seconds / 1e12) + " TB/s";
}

double kernel_seconds(const Result& result) {
    double seconds = 0;
    for (const KernelUse& use : result.kernels) seconds += use.seconds;
    return seconds;
}

}  // namespace orrery::report
