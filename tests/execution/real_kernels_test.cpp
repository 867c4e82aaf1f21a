// Real kernels: two processes, Eigen on one thread each, messages of MPI. The prediction is made with
// microbenchmarks of the program's kernels and messages that ran before, on both at once.
#include <gtest/gtest.h>

#include <thread>

#include "mpi_here.hpp"
#include "study/execute.hpp"
#include "study/experiment.hpp"

namespace orrery::study {
namespace {

class RealKernels : public testing::TestWithParam<const char*> {};

TEST_P(RealKernels, TakeThePredictedTimeOnTwoStages) {
    if (!mpi_here()) GTEST_SKIP() << "no MPI here";
    if (!machine_is_quiet()) GTEST_SKIP() << "ORRERY_QUIET_MACHINE is not set";
    if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "two ranks need two cores";
    const Experiment experiment = parse_experiment(
        std::string(
            "model: {family: gpt, name: tiny, layers: 8, hidden: 256, heads: 4, vocab: 512, seq_length: "
            "128}\n"
            "cluster: {node: cpu-host, gpus: 2}\n"
            "parallel: {tp: 1, pp: 2, dp: 1}\n"
            "training: {global_batch: 8, micro_batch: 1, seq_length: 128, precision: fp32}\n"
            "calibration: a100-sxm-80g\n"
            "schedule: ") +
            GetParam() + "\n",
        "real.yaml");
    ExecuteRequest request;
    request.options.warm_up = 1;
    request.options.repeat = 5;
    request.rank_command = rank_command();
    const report::ExecutionComparison comparison = compare(experiment, execute(experiment, request));
    std::printf("%s: predicted %.4f s, measured %.4f s (%.4f to %.4f), error %+.1f%%\n", GetParam(),
                comparison.step_time_s.predicted, comparison.step_time_s.measured,
                comparison.step_time_s.least, comparison.step_time_s.most,
                100 * comparison.step_time_s.error());
    EXPECT_NEAR(comparison.step_time_s.error(), 0, 0.10);
    EXPECT_FALSE(comparison.mismatch) << comparison.mismatch->first << " and " << comparison.mismatch->second;
    // A message's buffers are taken when it is posted, in the simulation when its members have met.
    EXPECT_NEAR(comparison.peak_bytes.error(), 0, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Schedules, RealKernels, testing::Values("gpipe", "1f1b", "zb-h1"),
                         [](const auto& schedule) {
                             std::string name = schedule.param;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace orrery::study
