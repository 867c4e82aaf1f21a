#include "profiler/fit_unfused.hpp"

#include <cmath>

#include "profiler/fit_quality.hpp"
#include "profiler/least_squares.hpp"
#include "sim/cost/attention_cost.hpp"

namespace orrery::profiler {
namespace {

constexpr double kElement = 2;  // bytes: 16-bit

bool times_both(const Sample& sample) {
    return sample.kernel.flops > 3 * sim::attention_flops(sample.kernel);
}

}  // namespace

double unfused_attention_time(const Sample& sample, const sim::GemmModel& gemm,
                              const sim::MemoryModel& softmax, const sim::MemoryModel& elementwise,
                              const sim::GemmDevice& device) {
    const Kernel& attention = sample.kernel;
    const std::int64_t heads = attention.batch * attention.heads;
    const auto product = [&](std::int64_t n, std::int64_t k, GemmLayout layout) {
        Kernel kernel;
        kernel.kind = KernelKind::gemm;
        kernel.batch = heads;
        kernel.m = attention.m;
        kernel.n = n;
        kernel.k = k;
        kernel.layout = layout;
        return sim::gemm_time(kernel, gemm, device);
    };
    const auto stream = [&](const sim::MemoryModel& model, double bytes) {
        return model.fixed_s + bytes / (model.bandwidth * device.memory_bandwidth);
    };
    const double scores =
        kElement * static_cast<double>(heads * attention.m) * static_cast<double>(attention.n);
    const double tokens =
        kElement * static_cast<double>(heads * attention.m) * static_cast<double>(attention.k);
    const double into_scores = product(attention.n, attention.k, GemmLayout::tn);
    const double out_of_scores = product(attention.k, attention.n, GemmLayout::nn);
    const double copy = stream(elementwise, 2 * tokens);
    const double forward = into_scores + stream(softmax, 2 * scores) + out_of_scores + 4 * copy;
    const double backward = into_scores + stream(softmax, 3 * scores) + 3 * out_of_scores + 6 * copy;
    return times_both(sample) ? forward + backward : forward;
}

std::vector<Sample> unfused_rows(const std::vector<Sample>& samples) {
    std::vector<Sample> out;
    for (const Sample& sample : samples) {
        if (sample.kernel.attention == AttentionImplementation::unfused && !sample.kernel.causal)
            out.push_back(sample);
    }
    return out;
}

sim::GemmModel fit_gemm_bandwidth(const std::vector<Sample>& rows, const sim::GemmModel& gemm,
                                  const sim::MemoryModel& softmax, const sim::MemoryModel& elementwise,
                                  const sim::GemmDevice& device, sim::FitQuality& sum) {
    const auto with = [&gemm](double bandwidth) {
        sim::GemmModel model = gemm;
        model.bandwidth = bandwidth;
        return model;
    };
    const auto total = [&](const sim::GemmModel& model) {
        return
            [&](const Sample& s) { return unfused_attention_time(s, model, softmax, elementwise, device); };
    };
    LeastSquares problem;
    problem.start = Eigen::VectorXd::Constant(1, std::log(gemm.bandwidth));
    problem.residuals = [&](const Eigen::VectorXd& p) {
        const sim::GemmModel model = with(std::exp(p[0]));
        const Predict predict = total(model);
        Eigen::VectorXd out(static_cast<Eigen::Index>(rows.size()) + 1);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            out[static_cast<Eigen::Index>(i)] = std::log(predict(rows[i]) / rows[i].time_s);
        }
        out[static_cast<Eigen::Index>(rows.size())] = 0.2 * (p[0] - problem.start[0]);
        return out;
    };
    sim::GemmModel fitted = with(std::exp(minimize(problem)[0]));
    sum = measure_quality(rows, total(fitted));
    return fitted;
}

}  // namespace orrery::profiler
