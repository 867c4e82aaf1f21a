// report/kernel_words.hpp
//
// How the tables and pages name kernels and say how fast they were.
#pragma once

#include <string>

#include "report/result.hpp"

namespace orrery::report {

/// "matrix products", "norms", ...
std::string family_in_words(const KernelUse& use);

/// "187 TFLOP/s" of arithmetic, "1.41 TB/s" of memory traffic; "-" of kernels that take no time.
std::string reached(const KernelUse& use);

/// Of all kernels of the result together.
double kernel_seconds(const Result& result);

}  // namespace orrery::report
