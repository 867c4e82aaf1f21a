#include "profiler/fit_collectives.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::profiler {
namespace {

constexpr double kSampleSigma = 0.05;
constexpr double kSmallBytes = 1 << 20;
constexpr double kSmallWeight = 1.0 / 3;
constexpr double kTinyTime = 1e-9;  // what a zero latency is in log space

using sim::CollectiveCalibration;

/// A parameter of the model: where it lies, how far samples may carry it from the prior, and its range.
struct Parameter {
    std::function<double&(CollectiveCalibration&)> at;
    double sigma;  ///< in ln
    double least;
    double most;
};

void add_algorithm(std::vector<Parameter>& all, sim::AlgorithmCalibration CollectiveCalibration::*algorithm) {
    for (const sim::Protocol protocol : sim::kProtocols) {
        const auto index = static_cast<std::size_t>(protocol);
        const auto add = [&](double sim::ProtocolCalibration::*member, double sigma, double least,
                             double most) {
            all.push_back({[=](CollectiveCalibration& c) -> double& { return (c.*algorithm)[index].*member; },
                           sigma, least, most});
        };
        using P = sim::ProtocolCalibration;
        const bool reference = algorithm == &CollectiveCalibration::ring && protocol == sim::Protocol::simple;
        add(&P::start_s, protocol == sim::Protocol::ll ? 0.3 : 1, kTinyTime, 1e-3);
        add(&P::link_step_s, 0.5, kTinyTime, 1e-3);
        add(&P::network_step_s, 0.4, kTinyTime, 1e-3);
        if (reference) continue;  // its shares are link_efficiency and network_efficiency themselves
        add(&P::link_share, 0.25, 0.02, 1.6);
        add(&P::network_share, 0.15, 0.02, 1.6);
    }
}

std::vector<Parameter> parameters(bool nvls) {
    using C = CollectiveCalibration;
    std::vector<Parameter> all{
        {[](C& c) -> double& { return c.link_efficiency; }, 0.2, 0.05, 1},
        {[](C& c) -> double& { return c.network_efficiency; }, 0.05, 0.05, 1},
        {[](C& c) -> double& { return c.ring_fill_steps; }, 1, 1e-3, 4},
        {[](C& c) -> double& { return c.one_pass_share; }, 0.1, 0.5, 1.2},
        {[](C& c) -> double& { return c.network_start_s; }, 1, kTinyTime, 1e-3},
        {[](C& c) -> double& { return c.peer_s; }, 1, kTinyTime, 1e-4},
    };
    add_algorithm(all, &C::ring);
    add_algorithm(all, &C::tree);
    add_algorithm(all, &C::direct);
    if (!nvls) return all;
    all.push_back({[](C& c) -> double& { return c.nvls.start_s; }, 1, kTinyTime, 1e-3});
    all.push_back({[](C& c) -> double& { return c.nvls.network_step_s; }, 0.4, kTinyTime, 1e-3});
    all.push_back({[](C& c) -> double& { return c.nvls.link_share; }, 0.25, 0.05, 1.6});
    all.push_back({[](C& c) -> double& { return c.nvls.network_share; }, 0.1, 0.05, 1.6});
    return all;
}

/// The first word of a source: the repository, paper or file that published it.
std::string publication(const CollectiveSample& sample) {
    return sample.source.substr(0, sample.source.find(' '));
}

double price(const CollectiveSample& sample, const sim::GroupPlacement& group,
             const CollectiveCalibration& c) {
    sim::CollectiveChoice choice;
    choice.algorithm = sample.algorithm;
    return sim::price_placed(sample.kind, sample.bytes, group, c, choice).time_s;
}

/// Without the small sizes of processes that drive several GPUs.
std::vector<CollectiveSample> telling(std::span<const CollectiveSample> samples) {
    std::vector<CollectiveSample> result;
    std::ranges::copy_if(samples, std::back_inserter(result), [](const CollectiveSample& s) {
        return s.bytes >= kSmallBytes || s.gpus_per_process() == 1;
    });
    return result;
}

/// The samples with their groups placed on the cluster's nodes, and the launch times of their sources.
class Problem {
  public:
    Problem(std::span<const CollectiveSample> samples_in, const topologies::Cluster& cluster,
            const CollectiveCalibration& prior)
        : samples(samples_in), base(prior), free(parameters(prior.nvls.available)) {
        for (const CollectiveSample& sample : samples) {
            groups.push_back(place(sample, cluster));
            if (sample.gpus_per_process() > 1)
                launch_index.try_emplace(publication(sample), launch_index.size());
        }
    }

    [[nodiscard]] Eigen::VectorXd start() const {
        Eigen::VectorXd x(size());
        CollectiveCalibration copy = base;
        for (std::size_t i = 0; i < free.size(); ++i)
            x[index(i)] = std::log(std::max(free[i].at(copy), kTinyTime));
        for (std::size_t i = free.size(); i < static_cast<std::size_t>(size()); ++i)
            x[index(i)] = std::log(kLaunchPrior);
        return x;
    }

    [[nodiscard]] CollectiveCalibration calibration(const Eigen::VectorXd& x) const {
        CollectiveCalibration result = base;
        for (std::size_t i = 0; i < free.size(); ++i)
            free[i].at(result) = std::clamp(std::exp(x[index(i)]), free[i].least, free[i].most);
        return result;
    }

    [[nodiscard]] std::map<std::string, double> launches(const Eigen::VectorXd& x) const {
        std::map<std::string, double> result;
        for (const auto& [source, i] : launch_index) result[source] = std::exp(x[index(free.size() + i)]);
        return result;
    }

    /// What the model expects each measurement to read.
    [[nodiscard]] std::vector<double> predict(const Eigen::VectorXd& x) const {
        const CollectiveCalibration c = calibration(x);
        const auto launch = launches(x);
        std::vector<double> times(samples.size());
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const CollectiveSample& s = samples[i];
            times[i] = price(s, groups[i], c);
            const int gpus = s.gpus_per_process();
            if (gpus > 1) times[i] = std::max(times[i], gpus * launch.at(publication(s)));
        }
        return times;
    }

    /// Residuals of samples, then of the prior; squares sum to the objective. `weights` are the robust ones.
    [[nodiscard]] Eigen::VectorXd residuals(const Eigen::VectorXd& x, const Eigen::VectorXd& weights) const {
        const std::vector<double> times = predict(x);
        const auto n = samples.size();
        Eigen::VectorXd r(index(n) + size());
        for (std::size_t i = 0; i < n; ++i)
            r[index(i)] = weights[index(i)] * std::log(times[i] / samples[i].time_s) / kSampleSigma;
        const Eigen::VectorXd prior = start();
        for (Eigen::Index i = 0; i < size(); ++i) {
            const bool launch = i >= index(free.size());
            r[index(n) + i] =
                (x[i] - prior[i]) / (launch ? kLaunchSigma : free[static_cast<std::size_t>(i)].sigma);
        }
        return r;
    }

    /// Square roots of Cauchy's weights times the weight of the size.
    [[nodiscard]] Eigen::VectorXd robust_weights(const Eigen::VectorXd& x) const {
        const std::vector<double> times = predict(x);
        Eigen::VectorXd w(index(samples.size()));
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const double u = std::log(times[i] / samples[i].time_s) / (3 * kSampleSigma);
            const double size_weight = samples[i].bytes < kSmallBytes ? kSmallWeight : 1;
            w[index(i)] = std::sqrt(size_weight / (1 + u * u));
        }
        return w;
    }

    [[nodiscard]] Eigen::Index size() const { return index(free.size() + launch_index.size()); }
    [[nodiscard]] const sim::GroupPlacement& group(std::size_t i) const { return groups[i]; }

  private:
    static constexpr double kLaunchPrior = 5e-6;
    static constexpr double kLaunchSigma = 0.7;

    static Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }

    static sim::GroupPlacement place(const CollectiveSample& sample, const topologies::Cluster& cluster) {
        const int per_node = sample.gpus / sample.nodes;
        if (per_node > cluster.node.gpus)
            throw InputError({}, "gpus",
                             fmt::format("a sample has {} GPUs a node, {} has {}", per_node,
                                         cluster.node.name, cluster.node.gpus));
        topologies::Cluster large_enough = cluster;
        large_enough.nodes = sample.nodes;
        std::vector<std::uint32_t> devices;
        // nccl-tests' send/recv is a ring of messages, each GPU sending and receiving at once: price one of
        // them.
        const int members = sample.kind == sim::CollectiveKind::send_recv ? 2 : sample.gpus;
        const int stride =
            sample.kind == sim::CollectiveKind::send_recv && sample.nodes > 1 ? cluster.node.gpus : 1;
        for (int i = 0; i < members; ++i)
            devices.push_back(static_cast<std::uint32_t>(
                stride > 1 ? i * stride : i / per_node * cluster.node.gpus + i % per_node));
        return sim::place_group(devices, large_enough);
    }

    std::span<const CollectiveSample> samples;
    CollectiveCalibration base;
    std::vector<Parameter> free;
    std::vector<sim::GroupPlacement> groups;
    std::map<std::string, std::size_t> launch_index;
};

Eigen::MatrixXd jacobian(const Problem& problem, const Eigen::VectorXd& x, const Eigen::VectorXd& weights,
                         const Eigen::VectorXd& at_x) {
    constexpr double step = 1e-4;
    Eigen::MatrixXd j(at_x.size(), x.size());
    for (Eigen::Index k = 0; k < x.size(); ++k) {
        Eigen::VectorXd moved = x;
        moved[k] += step;
        j.col(k) = (problem.residuals(moved, weights) - at_x) / step;
    }
    return j;
}

/// Levenberg-Marquardt with the robust weights renewed at every accepted step.
Eigen::VectorXd minimise(const Problem& problem) {
    constexpr int most_steps = 200;
    Eigen::VectorXd x = problem.start();
    double damping = 1;
    for (int step = 0; step < most_steps && damping < 1e8; ++step) {
        const Eigen::VectorXd weights = problem.robust_weights(x);
        const Eigen::VectorXd r = problem.residuals(x, weights);
        const Eigen::MatrixXd j = jacobian(problem, x, weights, r);
        const Eigen::MatrixXd normal = j.transpose() * j;
        const Eigen::VectorXd gradient = j.transpose() * r;
        bool better = false;
        while (!better && damping < 1e8) {
            Eigen::MatrixXd damped = normal;
            damped.diagonal() += damping * normal.diagonal();
            const Eigen::VectorXd next = x - damped.ldlt().solve(gradient);
            const double gain = r.squaredNorm() - problem.residuals(next, weights).squaredNorm();
            better = gain > 0;
            damping = better ? std::max(damping / 5, 1e-6) : damping * 4;
            if (!better) continue;
            x = next;
            if (gain < 1e-7 * r.squaredNorm()) return x;
        }
    }
    return x;
}

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const double at = q * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const auto high = std::min(low + 1, values.size() - 1);
    return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

std::string size_class(double bytes, bool by_decade) {
    if (!by_decade) return bytes < kSmallBytes ? "below 1 MiB" : "1 MiB and more";
    return fmt::format("1e{:02.0f} bytes", std::floor(std::log10(bytes)));
}

std::vector<CollectiveError> errors_of(std::span<const CollectiveSample> samples,
                                       const std::vector<double>& predicted) {
    std::vector<CollectiveError> errors;
    for (std::size_t i = 0; i < samples.size(); ++i) errors.push_back({samples[i], predicted[i]});
    return errors;
}

}  // namespace

sim::CollectiveCalibration tuner_prior(bool nvls) {
    // Hops inside a node: the tuner's less the bare link's 0.47 us. Between nodes: the tuner's, as the bare
    // link's 2.7 us would leave nothing of LL's; the samples decide.
    CollectiveCalibration prior;
    prior.name = "nccl-tuner";
    prior.provenance = {
        "prior: latencies and bandwidth shares of NCCL's tuner, src/graph/tuning.cc (2.8, 2.18)",
        "prior: share of a NIC's bandwidth, 24 of 25 GB/s with HDR (NVIDIA/nccl#412), 46 to 48 of 50 "
        "with NDR (NVIDIA/nccl-tests#290), both by NCCL's maintainers"};
    prior.link_efficiency = 0.8;
    prior.network_efficiency = 0.96;
    prior.ring_fill_steps = 0.4;
    prior.network_start_s = 8e-6;
    prior.ring = {{{6.6e-6, 1.3e-7, 3e-6, 0.25, 0.25},
                   {14e-6, 1.4e-6, 4e-6, 0.92, 0.92},
                   {8.4e-6, 2.9e-6, 11e-6, 1, 1}}};
    prior.tree = {{{6.8e-6, 1.3e-7, 5e-6, 0.25, 0.25},
                   {14e-6, 0.8e-6, 7e-6, 0.8, 0.9},
                   {8.4e-6, 3.5e-6, 11e-6, 0.9, 0.9}}};
    prior.direct = {{{6.6e-6, 1.3e-7, 3e-6, 0.25, 0.25},
                     {14e-6, 1.4e-6, 4e-6, 0.92, 0.92},
                     {8.4e-6, 2.9e-6, 11e-6, 0.85, 0.95}}};
    prior.peer_s = 3e-7;
    if (nvls) prior.nvls = {true, 20e-6, 11e-6, 0.85, 1};
    return prior;
}

CollectiveFit fit_collectives(std::span<const CollectiveSample> all_samples,
                              const topologies::Cluster& cluster, const sim::CollectiveCalibration& prior) {
    const std::vector<CollectiveSample> samples = telling(all_samples);
    if (samples.empty())
        throw InputError({}, "samples", "there is no sample to fit for " + cluster.node.name);
    const Problem problem(samples, cluster, prior);
    const Eigen::VectorXd x = minimise(problem);

    CollectiveFit fit;
    fit.calibration = problem.calibration(x);
    fit.launch_s = problem.launches(x);
    fit.errors = errors_of(samples, problem.predict(x));

    std::map<std::string, int> rows;
    for (const CollectiveSample& sample : samples) ++rows[publication(sample)];
    for (const auto& [source, count] : rows)
        fit.calibration.provenance.push_back(fmt::format("published: {} rows, {}", count, source));
    for (const auto& [source, launch] : fit.launch_s)
        fit.calibration.provenance.push_back(
            fmt::format("launches of one process for several GPUs set aside: {:.1f} us a GPU in {}",
                        launch * 1e6, source));
    const auto [least, most] = std::minmax_element(
        samples.begin(), samples.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    fit.calibration.fitted_least_bytes = least->bytes;
    fit.calibration.fitted_most_bytes = most->bytes;
    return fit;
}

std::vector<CollectiveError> cross_validate(std::span<const CollectiveSample> all_samples,
                                            const topologies::Cluster& cluster,
                                            const sim::CollectiveCalibration& prior, int folds) {
    const std::vector<CollectiveSample> samples = telling(all_samples);
    std::vector<CollectiveError> errors;
    for (int fold = 0; fold < folds; ++fold) {
        std::vector<CollectiveSample> seen;
        std::vector<CollectiveSample> unseen;
        for (std::size_t i = 0; i < samples.size(); ++i)
            (static_cast<int>(i) % folds == fold ? unseen : seen).push_back(samples[i]);
        if (seen.empty() || unseen.empty()) continue;
        const CollectiveFit fit = fit_collectives(seen, cluster, prior);
        const Problem problem(unseen, cluster, fit.calibration);
        std::vector<double> predicted(unseen.size());
        for (std::size_t i = 0; i < unseen.size(); ++i) {
            const auto launch = fit.launch_s.find(publication(unseen[i]));
            const double floor_s =
                launch == fit.launch_s.end() ? 0 : launch->second * unseen[i].gpus_per_process();
            predicted[i] = std::max(price(unseen[i], problem.group(i), fit.calibration), floor_s);
        }
        for (CollectiveError& error : errors_of(unseen, predicted)) errors.push_back(std::move(error));
    }
    return errors;
}

std::vector<CollectiveError> predict_collectives(std::span<const CollectiveSample> samples,
                                                 const topologies::Cluster& cluster,
                                                 const sim::CollectiveCalibration& calibration) {
    const Problem problem(samples, cluster, calibration);
    std::vector<double> predicted(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i)
        predicted[i] = price(samples[i], problem.group(i), calibration);
    return errors_of(samples, predicted);
}

std::vector<sim::CalibrationResidual> summarise(std::span<const CollectiveError> errors, bool held_out,
                                                bool by_decade) {
    std::map<std::string, std::vector<double>> classes;
    for (const CollectiveError& error : errors) {
        const CollectiveSample& s = error.sample;
        const std::string key = fmt::format("{}, {} node{}, {}", sim::to_string(s.kind), s.nodes,
                                            s.nodes == 1 ? "" : "s", size_class(s.bytes, by_decade));
        classes[key].push_back(std::abs(error.relative()));
        classes["all, " + size_class(s.bytes, by_decade)].push_back(std::abs(error.relative()));
    }
    std::vector<sim::CalibrationResidual> table;
    for (const auto& [what, values] : classes)
        table.push_back(
            {what, static_cast<int>(values.size()), quantile(values, 0.5), quantile(values, 0.9), held_out});
    return table;
}

}  // namespace orrery::profiler
