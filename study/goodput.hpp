// study/goodput.hpp
//
// What is left of a step's speed when parts fail and the job goes back to its last checkpoint.
//
// Failures come at random and independently of each other: exponential gaps, with the rate of all parts
// together. Every `interval` of training the model's state is written, which stops the training; a failure
// loses what was trained since, and the restart, which may fail as well, takes its time. Young (1974, CACM
// 17:9) gave the interval sqrt(2 d M) for writes of d seconds and a mean time M between failures; Daly (2006,
// FGCS 22:3) the next orders and the expected time in closed form. The simulation draws failures instead,
// part by part.
#pragma once

#include <cstdint>
#include <optional>

#include "core/schema.hpp"
#include "report/result.hpp"

namespace orrery::study {

/// The experiment's section `reliability`. Times of 0: it never fails.
struct Reliability {
    double gpu_mtbf_h = 0;            ///< mean time between failures of one GPU, hours
    double node_mtbf_h = 0;           ///< of one node, its GPUs apart: host, NICs, cables
    double cluster_mtbf_h = 0;        ///< of what stops the job whatever its size: storage, software
    double checkpoint_bandwidth = 0;  ///< bytes/s at which all of the job writes together; 0: no time
    std::optional<double> checkpoint_interval_s;  ///< of training; empty: Daly's
    double restart_s = 0;                         ///< from the failure to the first step after it
    double simulated_days = 365;
    std::int64_t seed = 1;
};

const schema::Table<Reliability>& reliability_table();

/// A job as failures see it.
struct CheckpointedJob {
    double step_s = 0;
    double write_s = 0;    ///< of one checkpoint
    double restart_s = 0;  ///< after a failure
};

/// Mean time between failures of the job (s): 1 / (the sum of its parts' rates); infinity where nothing
/// fails.
double job_mtbf_s(const Reliability& parts, std::int64_t gpus, std::int64_t nodes);

/// Young's first-order interval of training between checkpoints (s): sqrt(2 d M). Infinity where nothing
/// fails.
double young_interval_s(double write_s, double mtbf_s);

/// Daly's interval (s), equation 37 of the paper:
/// sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d for d < 2M, and M beyond.
double daly_interval_s(double write_s, double mtbf_s);

/// Training over wall-clock time, in expectation (Daly 2006, equation 20):
/// t / (M e^(R/M) (e^((t + d)/M) - 1)) for an interval t, writes d, restarts R; t / (t + d) where nothing
/// fails.
double expected_goodput(double interval_s, double write_s, double restart_s, double mtbf_s);

/// Where simulated wall-clock time went, as fractions that add up to 1.
struct SimulatedTime {
    double trained = 0;  ///< goodput
    double lost = 0;     ///< trained again after a failure, and writes that a failure cut short
    double written = 0;
    double restarted = 0;
    std::int64_t failures = 0;
};

/// The job until `wall_s` seconds have gone by, checkpoints every `steps` steps; of jobs that fail or write
/// more often than two million times in all, what comes first.
SimulatedTime simulate_failures(const CheckpointedJob& job, std::int64_t steps, double mtbf_s, double wall_s,
                                std::uint64_t seed);

/// A checkpoint of so many parameters (bytes): the weights in the training's precision, and the optimizer's
/// copy and two moments in fp32, 12 bytes. (Narayanan et al. 2021, section 5.10, write 13.8 TB for 1 T
/// parameters.)
double checkpoint_bytes(double parameters, Precision precision);

/// What failures leave of a job of that step time.
report::Goodput goodput_of(const Reliability& parts, const report::Result& result, double parameters,
                           Precision precision, std::int64_t nodes);

}  // namespace orrery::study
