// profiler/fit_lattice.hpp
//
// Formula alone, or formula and interpolation between measured neighbours (sim/cost/gemm_lattice.hpp)? Both
// are tried on samples held out of the fit, whole layers at a time, and the better one is kept.
#pragma once

#include <string>
#include <vector>

#include "profiler/fit_gemm.hpp"

namespace orrery::profiler {

/// Errors on held-out samples with one reach of the lattice; reach 0 is the formula alone.
struct LatticeTrial {
    double reach = 0;
    double held_out_median = 0;
    double held_out_p90 = 0;
};

struct LatticeChoice {
    double reach = 0;  ///< of the least mean absolute error of the logarithm; a lattice by 5 % at least
    std::vector<LatticeTrial> trials;

    /// "formula alone (held out: median 3.1 %, p90 8.0 %; with a lattice 2.9 %, 9.1 %)"
    [[nodiscard]] std::string words() const;
};

/// k-fold cross-validation over layers. With fewer than three samples a fold nothing is tried and the formula
/// is kept.
LatticeChoice choose_lattice(const std::vector<Sample>& samples, const sim::GemmModel& prior,
                             const sim::GemmDevice& device, int folds);

/// The samples as points around the model.
sim::GemmLattice lattice_of(const std::vector<Sample>& samples, const sim::GemmModel& model,
                            const sim::GemmDevice& device, double reach);

/// The formula times its lattice.
double gemm_time_with_lattice(const Kernel& kernel, const sim::GemmModel& model,
                              const sim::GemmDevice& device);

}  // namespace orrery::profiler
