#include "profiler/fit_gemm.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "profiler/fit_quality.hpp"
#include "profiler/least_squares.hpp"

namespace orrery::profiler {
namespace {

using Eigen::VectorXd;
using sim::GemmModel;

/// Tiles of one area share an efficiency.
std::vector<int> areas_of(const GemmModel& model) {
    std::vector<int> areas;
    for (const sim::GemmTile& tile : model.tiles) areas.push_back(tile.m * tile.n);
    std::sort(areas.rbegin(), areas.rend());
    areas.erase(std::unique(areas.begin(), areas.end()), areas.end());
    return areas;
}

/// The parameters as logarithms: efficiency by area, then the scalars below.
struct Encoding {
    std::vector<int> areas;
    GemmModel base;

    static constexpr int kScalars = 7;

    [[nodiscard]] VectorXd encode(const GemmModel& model) const {
        VectorXd p(static_cast<Eigen::Index>(areas.size()) + kScalars);
        Eigen::Index at = 0;
        for (const int area : areas) {
            const auto tile = std::find_if(model.tiles.begin(), model.tiles.end(),
                                           [area](const auto& t) { return t.m * t.n == area; });
            p[at++] = std::log(tile->efficiency);
        }
        for (const double value : {model.prologue_k, model.sustained, model.fixed_s, model.bandwidth,
                                   model.exposed_output, model.layout[1], model.layout[2]}) {
            p[at++] = std::log(value);
        }
        return p;
    }

    [[nodiscard]] GemmModel decode(const VectorXd& p) const {
        GemmModel model = base;
        for (sim::GemmTile& tile : model.tiles) {
            const auto index = std::find(areas.begin(), areas.end(), tile.m * tile.n) - areas.begin();
            tile.efficiency = std::exp(p[index]);
        }
        auto at = static_cast<Eigen::Index>(areas.size());
        for (double* value : {&model.prologue_k, &model.sustained, &model.fixed_s, &model.bandwidth,
                              &model.exposed_output, &model.layout[1], &model.layout[2]}) {
            *value = std::exp(p[at++]);
        }
        return model;
    }

    /// Standard deviations of the prior, in logarithms.
    [[nodiscard]] VectorXd spread() const {
        VectorXd s(static_cast<Eigen::Index>(areas.size()) + kScalars);
        s.setConstant(0.08);  // tiles
        s.tail(kScalars) << 0.5, 0.3, 0.3, 0.1, 0.6, 0.05, 0.05;
        return s;
    }
};

VectorXd log_errors(const std::vector<Sample>& samples, const Predict& predict) {
    VectorXd out(static_cast<Eigen::Index>(samples.size()));
    for (std::size_t i = 0; i < samples.size(); ++i) {
        out[static_cast<Eigen::Index>(i)] = std::log(predict(samples[i]) / samples[i].time_s);
    }
    return out;
}

Predict dense(const GemmModel& model, const sim::GemmDevice& device) {
    return [&model, &device](const Sample& s) { return sim::gemm_time(s.kernel, model, device); };
}

/// Tokens vary within a layer; the other two dimensions name it.
std::pair<std::int64_t, std::int64_t> layer_of(const Kernel& kernel) {
    const bool weight_gradient = kernel.layout == GemmLayout::nt;
    const std::int64_t a = weight_gradient ? kernel.m : kernel.k;
    return std::minmax(a, kernel.n);
}

}  // namespace

sim::GemmModel gemm_prior() {
    GemmModel model;
    // cuBLAS's tiles and their relative worth: NVIDIA, Matrix Multiplication Background User's Guide, 2.3.
    model.tiles = {{256, 128, 0.90}, {128, 256, 0.90}, {128, 128, 0.78}, {256, 64, 0.70},
                   {64, 256, 0.70},  {128, 64, 0.62},  {64, 128, 0.62},  {64, 64, 0.45}};
    model.prologue_k = 48;
    model.sustained = 0.85;
    model.fixed_s = 2.5e-6;
    model.bandwidth = 0.85;
    model.exposed_output = 0.5;
    return model;
}

sim::GemmModel fit_gemm(const std::vector<Sample>& samples, const GemmModel& prior,
                        const sim::GemmDevice& device) {
    const Encoding encoding{areas_of(prior), prior};
    const VectorXd center = encoding.encode(prior);
    const VectorXd spread = encoding.spread();
    constexpr double kNoise = 0.04;  // what a sample is taken to be worth, so that priors have a weight
    LeastSquares problem;
    problem.start = center;
    problem.residuals = [&](const VectorXd& p) {
        const GemmModel model = encoding.decode(p);
        VectorXd out(static_cast<Eigen::Index>(samples.size()) + p.size());
        out << log_errors(samples, dense(model, device)), kNoise * (p - center).cwiseQuotient(spread);
        return out;
    };
    GemmModel model = encoding.decode(minimize(problem));
    model.quality = gemm_quality(samples, model, device);
    model.flops = range_of(samples, [](const Sample& s) { return s.kernel.flops; });
    return model;
}

sim::GemmModel fit_gemm_level(const std::vector<Sample>& samples, const GemmModel& shape,
                              const sim::GemmDevice& device, LevelOf level) {
    const auto scaled = [&shape, level](const VectorXd& p) {
        GemmModel model = shape;
        if (level != LevelOf::power) {
            for (sim::GemmTile& tile : model.tiles) tile.efficiency *= std::exp(p[0]);
        }
        if (level != LevelOf::tiles) model.sustained *= std::exp(p[1]);
        return model;
    };
    LeastSquares problem;
    problem.start = VectorXd::Zero(2);
    problem.residuals = [&](const VectorXd& p) {
        const GemmModel model = scaled(p);
        VectorXd out(static_cast<Eigen::Index>(samples.size()) + 2);
        out << log_errors(samples, dense(model, device)), 0.02 * p;  // the nearer level where two would do
        return out;
    };
    GemmModel model = scaled(minimize(problem));
    model.quality = gemm_quality(samples, model, device);
    return model;
}

sim::GroupedGemmModel fit_grouped_gemm(const std::vector<Sample>& samples, const GemmModel& dense_model,
                                       const sim::GemmDevice& device) {
    const auto decode = [](const VectorXd& p) {
        sim::GroupedGemmModel model;
        model.slowdown = std::exp(p[0]);
        model.per_group_s = std::exp(p[1]);
        model.bandwidth = std::exp(p[2]);
        return model;
    };
    const auto predict = [&](const sim::GroupedGemmModel& model) {
        return [&model, &dense_model, &device](const Sample& s) {
            return sim::grouped_gemm_time(s.kernel, model, dense_model, device);
        };
    };
    LeastSquares problem;
    problem.start = VectorXd(3);
    problem.start << 0, std::log(1e-6), std::log(0.7);
    const VectorXd center = problem.start;
    VectorXd spread(3);
    spread << 0.5, 1.5, 0.5;
    problem.residuals = [&](const VectorXd& p) {
        const sim::GroupedGemmModel model = decode(p);
        VectorXd out(static_cast<Eigen::Index>(samples.size()) + 3);
        out << log_errors(samples, predict(model)), 0.04 * (p - center).cwiseQuotient(spread);
        return out;
    };
    sim::GroupedGemmModel model = decode(minimize(problem));
    model.quality = measure_quality(samples, predict(model));
    model.flops = range_of(samples, [](const Sample& s) { return s.kernel.flops; });
    return model;
}

sim::FitQuality gemm_quality(const std::vector<Sample>& samples, const GemmModel& model,
                             const sim::GemmDevice& device) {
    return measure_quality(samples, dense(model, device));
}

std::vector<int> folds_by_layer(const std::vector<Sample>& samples, int folds) {
    std::map<std::pair<std::int64_t, std::int64_t>, int> fold_of;
    for (const Sample& sample : samples) fold_of.emplace(layer_of(sample.kernel), 0);
    int next = 0;
    for (auto& [layer, fold] : fold_of) fold = next++ % folds;
    if (next < folds) return {};
    std::vector<int> out;
    for (const Sample& sample : samples) out.push_back(fold_of.at(layer_of(sample.kernel)));
    return out;
}

void cross_validate_gemm(const std::vector<Sample>& samples, const GemmModel& prior,
                         const sim::GemmDevice& device, int folds, sim::FitQuality& quality) {
    const std::vector<int> fold_of = folds_by_layer(samples, folds);
    if (fold_of.empty()) return;
    std::vector<double> errors;
    for (int fold = 0; fold < folds; ++fold) {
        std::vector<Sample> kept;
        std::vector<Sample> held_out;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            (fold_of[i] == fold ? held_out : kept).push_back(samples[i]);
        }
        const GemmModel model = fit_gemm(kept, prior, device);
        for (const Sample& s : held_out) {
            errors.push_back(std::abs(sim::gemm_time(s.kernel, model, device) / s.time_s - 1));
        }
    }
    quality.held_out_median = quantile(errors, 0.5);
    quality.held_out_p90 = quantile(errors, 0.9);
}

}  // namespace orrery::profiler
