#include "profiler/fit_lattice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "profiler/fit_quality.hpp"

namespace orrery::profiler {
namespace {

constexpr std::array kReaches{0.0, 0.35, 0.7, 1.4};
constexpr double kClearly = 0.95;  // a lattice has to be better than the formula by this much

struct Errors {
    std::vector<double> relative;
    double logs = 0;
};

}  // namespace

double gemm_time_with_lattice(const Kernel& kernel, const sim::GemmModel& model,
                              const sim::GemmDevice& device) {
    return sim::gemm_time(kernel, model, device) * sim::lattice_ratio(kernel, model.lattice);
}

sim::GemmLattice lattice_of(const std::vector<Sample>& samples, const sim::GemmModel& model,
                            const sim::GemmDevice& device, double reach) {
    sim::GemmLattice out;
    out.reach = reach;
    if (reach <= 0) return out;
    for (const Sample& sample : samples) {
        const Kernel& k = sample.kernel;
        out.points.push_back({k.layout, k.accumulate, k.batch, k.m, k.n, k.k,
                              sample.time_s / sim::gemm_time(k, model, device)});
    }
    return out;
}

LatticeChoice choose_lattice(const std::vector<Sample>& samples, const sim::GemmModel& prior,
                             const sim::GemmDevice& device, int folds) {
    LatticeChoice out;
    const std::vector<int> fold_of = folds_by_layer(samples, folds);
    if (fold_of.empty() || samples.size() < std::size_t{3} * static_cast<std::size_t>(folds)) return out;
    std::array<Errors, kReaches.size()> errors;
    for (int fold = 0; fold < folds; ++fold) {
        std::vector<Sample> kept;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (fold_of[i] != fold) kept.push_back(samples[i]);
        }
        sim::GemmModel model = fit_gemm(kept, prior, device);
        for (std::size_t r = 0; r < kReaches.size(); ++r) {
            model.lattice = lattice_of(kept, model, device, kReaches[r]);
            for (std::size_t i = 0; i < samples.size(); ++i) {
                if (fold_of[i] != fold) continue;
                const double ratio =
                    gemm_time_with_lattice(samples[i].kernel, model, device) / samples[i].time_s;
                errors[r].relative.push_back(std::abs(ratio - 1));
                errors[r].logs += std::abs(std::log(ratio));
            }
        }
    }
    std::size_t best = 0;
    for (std::size_t r = 0; r < kReaches.size(); ++r) {
        out.trials.push_back(
            {kReaches[r], quantile(errors[r].relative, 0.5), quantile(errors[r].relative, 0.9)});
        if (errors[r].logs < (best == 0 ? kClearly : 1) * errors[best].logs) best = r;
    }
    out.reach = kReaches[best];
    return out;
}

std::string LatticeChoice::words() const {
    if (trials.empty()) return "formula alone (too few samples to hold any out)";
    std::string out = reach > 0 ? fmt::format("formula and lattice of reach {}", reach) : "formula alone";
    out += "; held out";
    for (const LatticeTrial& trial : trials) {
        out += fmt::format("{} {}: median {:.1f} %, p90 {:.1f} %", &trial == &trials.front() ? "" : ";",
                           trial.reach > 0 ? fmt::format("lattice of {}", trial.reach) : "formula",
                           100 * trial.held_out_median, 100 * trial.held_out_p90);
    }
    return out;
}

}  // namespace orrery::profiler
