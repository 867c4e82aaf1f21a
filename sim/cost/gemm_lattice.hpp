// sim/cost/gemm_lattice.hpp
//
// Where products were measured densely, what the formula of gemm_cost.hpp misses (which kernel a library
// picks for a shape) is interpolated from the measured neighbours. Each point keeps its ratio of measured to
// formula; a product between them takes the weighted geometric mean
//     ratio = exp( sum_i w_i ln r_i / (1 + sum_i w_i) ),   w_i = exp(-(d_i / reach)^2)
// (Nadaraya 1964, Watson 1964, in the logarithm), d_i the distance in powers of two over batch, m, n and k.
// The one in the denominator stands for the formula: far from every point the ratio is 1. Points of another
// layout, or of accumulating products where this one does not accumulate, say nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "models/kernel.hpp"

namespace orrery::sim {

struct GemmPoint {
    GemmLayout layout = GemmLayout::tn;
    bool accumulate = false;
    std::int64_t batch = 1;
    std::int64_t m = 0;
    std::int64_t n = 0;
    std::int64_t k = 0;
    double ratio = 1;  ///< measured time / formula
};

struct GemmLattice {
    double reach = 0;  ///< in powers of two; 0: no lattice
    std::vector<GemmPoint> points;
};

/// The factor on the formula's time; 1 without points.
double lattice_ratio(const Kernel& kernel, const GemmLattice& lattice);

}  // namespace orrery::sim
