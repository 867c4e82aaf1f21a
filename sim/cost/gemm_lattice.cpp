#include "sim/cost/gemm_lattice.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::sim {
namespace {

double octaves(std::int64_t a, std::int64_t b) {
    return std::log2(static_cast<double>(std::max<std::int64_t>(a, 1)) /
                     static_cast<double>(std::max<std::int64_t>(b, 1)));
}

}  // namespace

double lattice_ratio(const Kernel& kernel, const GemmLattice& lattice) {
    if (lattice.reach <= 0) return 1;
    double sum = 0;
    double weights = 1;
    for (const GemmPoint& point : lattice.points) {
        if (point.layout != kernel.layout || point.accumulate != kernel.accumulate) continue;
        double squares = 0;
        for (const auto& [a, b] : {std::pair{kernel.batch, point.batch},
                                   {kernel.m, point.m},
                                   {kernel.n, point.n},
                                   {kernel.k, point.k}}) {
            squares += octaves(a, b) * octaves(a, b);
        }
        const double weight = std::exp(-squares / (lattice.reach * lattice.reach));
        sum += weight * std::log(point.ratio);
        weights += weight;
    }
    return std::exp(sum / weights);
}

}  // namespace orrery::sim
