#include "study/goodput.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace orrery::study {
namespace {

constexpr double kHour = 3600;
constexpr double kDay = 24 * kHour;
constexpr int kMostEvents = 2'000'000;
constexpr double kNever = std::numeric_limits<double>::infinity();

double rate(double mtbf_h, std::int64_t parts) {
    return mtbf_h > 0 ? static_cast<double>(parts) / (mtbf_h * kHour) : 0;
}

/// Failures in order of time.
class Failures {
  public:
    Failures(double mtbf_s, std::uint64_t seed) : random_(seed), gap_(1), mtbf_s_(mtbf_s) { draw(); }

    /// Seconds from `now` to the next one.
    [[nodiscard]] double next() const { return next_; }
    /// So much time goes by without one.
    void pass(double seconds) { next_ -= seconds; }
    void draw() { next_ = std::isinf(mtbf_s_) ? kNever : mtbf_s_ * gap_(random_); }

  private:
    std::mt19937_64 random_;
    std::exponential_distribution<double> gap_;
    double mtbf_s_;
    double next_ = 0;
};

}  // namespace

const schema::Table<Reliability>& reliability_table() {
    using Field = schema::Field<Reliability>;
    using R = Reliability;
    constexpr double kMostHours = 1e12;
    static const schema::Table<Reliability> table{
        "reliability",
        "How often parts fail, and what checkpoints and restarts cost.",
        {Field::number("gpu_mtbf_h", &R::gpu_mtbf_h)
             .above(0)
             .at_most(kMostHours)
             .unit("h")
             .otherwise("GPUs never fail")
             .describe("Mean time between failures of one GPU."),
         Field::number("node_mtbf_h", &R::node_mtbf_h)
             .above(0)
             .at_most(kMostHours)
             .unit("h")
             .otherwise("nodes never fail")
             .describe("Of one node, its GPUs apart: host, NICs, cables."),
         Field::number("cluster_mtbf_h", &R::cluster_mtbf_h)
             .above(0)
             .at_most(kMostHours)
             .unit("h")
             .otherwise("never")
             .describe("Of what stops the job whatever its size: storage, software."),
         Field::number("checkpoint_bandwidth", &R::checkpoint_bandwidth)
             .above(0)
             .at_most(1e18)
             .unit("bytes/s")
             .otherwise("writing takes no time")
             .describe("At which all of the job writes a checkpoint together."),
         Field::number("checkpoint_interval_s", &R::checkpoint_interval_s)
             .above(0)
             .at_most(1e9)
             .unit("s")
             .otherwise("Daly's optimum")
             .describe("Training between two checkpoints, rounded to whole steps."),
         Field::number("restart_s", &R::restart_s)
             .at_least(0)
             .at_most(1e9)
             .unit("s")
             .describe("From a failure to the first step after it."),
         Field::number("simulated_days", &R::simulated_days)
             .above(0)
             .at_most(36500)
             .unit("days")
             .describe("How long the job is simulated, failure by failure."),
         Field::integer("seed", &R::seed).at_least(0).describe("Equal seeds give equal failures.")}};
    return table;
}

double job_mtbf_s(const Reliability& parts, std::int64_t gpus, std::int64_t nodes) {
    const double sum =
        rate(parts.gpu_mtbf_h, gpus) + rate(parts.node_mtbf_h, nodes) + rate(parts.cluster_mtbf_h, 1);
    return sum > 0 ? 1 / sum : kNever;
}

double young_interval_s(double write_s, double mtbf_s) {
    return std::isinf(mtbf_s) ? kNever : std::sqrt(2 * write_s * mtbf_s);
}

double daly_interval_s(double write_s, double mtbf_s) {
    if (std::isinf(mtbf_s)) return kNever;
    if (write_s >= 2 * mtbf_s) return mtbf_s;
    const double x = write_s / (2 * mtbf_s);
    return young_interval_s(write_s, mtbf_s) * (1 + std::sqrt(x) / 3 + x / 9) - write_s;
}

double expected_goodput(double interval_s, double write_s, double restart_s, double mtbf_s) {
    if (std::isinf(mtbf_s)) return std::isinf(interval_s) ? 1 : interval_s / (interval_s + write_s);
    // The same with less than is lost in e^x - 1 of a small x.
    const double once = mtbf_s * std::exp(restart_s / mtbf_s) * std::expm1((interval_s + write_s) / mtbf_s);
    return interval_s / once;
}

SimulatedTime simulate_failures(const CheckpointedJob& job, std::int64_t steps, double mtbf_s, double wall_s,
                                std::uint64_t seed) {
    Failures failures(mtbf_s, seed);
    SimulatedTime time;
    const double train = job.step_s * static_cast<double>(steps);
    double now = 0;
    // Lets `seconds` go by, or the failure that comes first: false.
    const auto survives = [&](double seconds, double& spent) {
        const double passed = std::min(seconds, failures.next());
        spent += passed;
        now += passed;
        failures.pass(passed);
        if (passed < seconds || failures.next() <= 0) {
            ++time.failures;
            failures.draw();
            return false;
        }
        return true;
    };
    bool running = true;
    for (int event = 0; now < wall_s && event < kMostEvents; ++event) {
        if (!running) {
            running = survives(job.restart_s, time.restarted);
            continue;
        }
        double trained = 0;
        double written = 0;
        running = survives(train, trained) && survives(job.write_s, written);
        (running ? time.trained : time.lost) += trained;
        (running ? time.written : time.lost) += written;
    }
    if (now > 0)
        for (double* part : {&time.trained, &time.lost, &time.written, &time.restarted}) *part /= now;
    return time;
}

double checkpoint_bytes(double parameters, Precision precision) {
    constexpr double kOptimizer = 12;
    const double weights = precision == Precision::fp32 ? 0 : 2;  // fp32 weights are the optimizer's copy
    return parameters * (weights + kOptimizer);
}

report::Goodput goodput_of(const Reliability& parts, const report::Result& result, double parameters,
                           Precision precision, std::int64_t nodes) {
    report::Goodput goodput;
    goodput.mtbf_s = job_mtbf_s(parts, result.gpus, nodes);
    goodput.checkpoint_bytes = checkpoint_bytes(parameters, precision);
    if (parts.checkpoint_bandwidth > 0)
        goodput.checkpoint_s = goodput.checkpoint_bytes / parts.checkpoint_bandwidth;
    goodput.young_interval_s = young_interval_s(goodput.checkpoint_s, goodput.mtbf_s);
    goodput.daly_interval_s = daly_interval_s(goodput.checkpoint_s, goodput.mtbf_s);
    const double wanted = parts.checkpoint_interval_s.value_or(goodput.daly_interval_s);
    goodput.interval_steps =
        std::max<std::int64_t>(1, std::llround(std::min(1e15, wanted / result.step_time_s)));
    goodput.interval_s = static_cast<double>(goodput.interval_steps) * result.step_time_s;
    goodput.expected =
        expected_goodput(goodput.interval_s, goodput.checkpoint_s, parts.restart_s, goodput.mtbf_s);
    const SimulatedTime time = simulate_failures(
        {result.step_time_s, goodput.checkpoint_s, parts.restart_s}, goodput.interval_steps, goodput.mtbf_s,
        parts.simulated_days * kDay, static_cast<std::uint64_t>(parts.seed));
    goodput.simulated = time.trained;
    goodput.lost = time.lost;
    goodput.written = time.written;
    goodput.restarted = time.restarted;
    goodput.failures = time.failures;
    goodput.tokens_per_s = goodput.expected * result.tokens_per_s;
    return goodput;
}

}  // namespace orrery::study
