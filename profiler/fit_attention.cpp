#include "profiler/fit_attention.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "profiler/fit_quality.hpp"
#include "profiler/least_squares.hpp"

namespace orrery::profiler {
namespace {

using Eigen::VectorXd;

bool times_both(const Sample& sample) {
    return !sample.kernel.backward && sample.kernel.flops > 3 * sim::attention_flops(sample.kernel);
}

/// The most that a calibration may say (sim/cost/calibration_yaml.cpp): noise can drive a fit beyond.
constexpr double kMostEfficiency = 2, kMostKeys = 1e6, kMostTail = 10;

/// Parameters: log of forward efficiency, forward/backward ratio, overhead, diagonal, tail.
AttentionPair decode(const VectorXd& p, const AttentionPrior& prior) {
    AttentionPair pair;
    pair.forward.efficiency = std::min(kMostEfficiency, std::exp(p[0]));
    pair.backward.efficiency = std::min(kMostEfficiency, std::exp(p[0] - p[1]));
    for (sim::AttentionModel* model : {&pair.forward, &pair.backward}) {
        model->overhead = std::min(kMostKeys, std::exp(p[2]));
        model->diagonal = std::min(kMostKeys, std::exp(p[3]));
        model->tail = std::min(kMostTail, std::exp(p[4]));
    }
    pair.forward.rows = prior.forward_rows;
    pair.backward.rows = prior.backward_rows;
    pair.forward.fixed_s = prior.fixed_forward_s;
    pair.backward.fixed_s = prior.fixed_backward_s;
    pair.backward.backward = true;
    return pair;
}

}  // namespace

double attention_sample_time(const Sample& sample, const AttentionPair& pair, const sim::GemmDevice& device) {
    if (sample.kernel.backward) return sim::attention_time(sample.kernel, pair.backward, device);
    double time = sim::attention_time(sample.kernel, pair.forward, device);
    if (times_both(sample)) time += sim::attention_time(sample.kernel, pair.backward, device);
    return time;
}

AttentionPair fit_attention(const std::vector<Sample>& samples, AttentionImplementation implementation,
                            int head_dim, const AttentionPrior& prior, const sim::GemmDevice& device) {
    std::vector<Sample> used;
    for (const Sample& sample : samples) {
        if (sample.kernel.attention == implementation && sample.kernel.k == head_dim) used.push_back(sample);
    }
    if (used.empty())
        throw InputError({}, "attention", "no samples of head size " + std::to_string(head_dim));
    VectorXd center(5);
    center << std::log(prior.efficiency), std::log(prior.forward_over_backward), std::log(prior.overhead),
        std::log(prior.diagonal), std::log(prior.tail);
    VectorXd spread(5);
    spread << 1, 0.05, 0.7, 0.7, prior.tail_spread;
    LeastSquares problem;
    problem.start = center;
    problem.residuals = [&](const VectorXd& p) {
        const AttentionPair pair = decode(p, prior);
        VectorXd out(static_cast<Eigen::Index>(used.size()) + p.size());
        for (std::size_t i = 0; i < used.size(); ++i) {
            out[static_cast<Eigen::Index>(i)] =
                std::log(attention_sample_time(used[i], pair, device) / used[i].time_s);
        }
        out.tail(p.size()) = 0.03 * (p - center).cwiseQuotient(spread);
        return out;
    };
    AttentionPair pair = decode(minimize(problem), prior);
    const sim::FitQuality quality =
        measure_quality(used, [&](const Sample& s) { return attention_sample_time(s, pair, device); });
    const sim::Range flops = range_of(used, [](const Sample& s) { return sim::attention_flops(s.kernel); });
    for (sim::AttentionModel* model : {&pair.forward, &pair.backward}) {
        model->implementation = implementation;
        model->head_dim = head_dim;
        model->quality = quality;
        model->flops = model->backward ? sim::Range{flops.low * 2.5, flops.high * 2.5} : flops;
    }
    return pair;
}

}  // namespace orrery::profiler
