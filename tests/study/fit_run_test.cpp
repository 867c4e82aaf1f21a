// A recorded step beside the simulated one, and what is fitted to it.
#include "study/fit_run.hpp"

#include <gtest/gtest.h>

#include "sim/cost/kernel_cost.hpp"

namespace orrery::study {
namespace {

Experiment small_experiment() {
    return parse_experiment(
        "model: megatron-1.7b\n"
        "cluster: {node: dgx-a100, nodes: 1}\n"
        "parallel: {tp: 2, dp: 4, pp: 1}\n"
        "training: {global_batch: 8, micro_batch: 1, seq_length: 1024, precision: bf16}\n",
        "e.yaml");
}

TEST(FitRun, FindsTheHostScaleThatARunWasMadeWith) {
    const Experiment experiment = small_experiment();
    const Simulation simulation = simulate(experiment);
    const sim::Calibration calibration = sim::load_calibration(experiment.calibration);
    // Slow the host enough to bind, and recover by how much.
    const HostFit slow = fit_host(experiment, simulation, calibration, simulation.timeline.makespan() * 3);
    ASSERT_TRUE(slow.met);
    EXPECT_NEAR(slow.predicted_s / (simulation.timeline.makespan() * 3), 1, 1e-6);
    EXPECT_GT(slow.scale, 1);
    const sim::Calibration fitted = with_host_fit(calibration, slow, {"a.json", "row-1"});
    EXPECT_EQ(fitted.runs, (std::vector<std::string>{"a.json", "row-1"}));
    EXPECT_NEAR(fitted.host.forward_operator.seconds / calibration.host.forward_operator.seconds, slow.scale,
                1e-12);
    EXPECT_NE(fitted.host.backward_operator.provenance.source.find("a.json"), std::string::npos);
    // Nothing that runs without a host is faster than a run that short.
    EXPECT_FALSE(fit_host(experiment, simulation, calibration, 1e-6).met);
    const sim::Calibration read = sim::parse_calibration(sim::to_yaml(fitted), "c.yaml");
    EXPECT_EQ(read.runs, fitted.runs);
    // The fitted calibration predicts the run.
    EXPECT_NEAR(fit_host(experiment, simulation, fitted, slow.predicted_s).scale, 1, 1e-5);
}

TEST(FitRun, ComparesFamilyByFamily) {
    const Experiment experiment = small_experiment();
    const Simulation simulation = simulate(experiment);
    const sim::Calibration calibration = sim::load_calibration(experiment.calibration);
    // A recording made of the simulated rank's own kernels: every family agrees, twice over two steps.
    profiler::MeasuredRun run;
    run.step_time_s = simulation.timeline.makespan();
    run.steps = 2;
    run.names = {"x"};
    const sim::Program& program = simulation.lowered.program;
    const sim::RankProgram& tasks = program.rank_programs[program.ranks[0].program];
    double at = 0;
    std::size_t products = 0;
    for (int step = 0; step < 2; ++step) {
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const auto* sequence = std::get_if<sim::KernelSequence>(&program.works[tasks.work[i]()]);
            if (sequence == nullptr) continue;
            for (const Kernel& kernel : sequence->kernels) {
                if (kernel.kind != KernelKind::gemm) continue;
                const double length = sim::kernel_time(kernel, calibration, experiment.cluster.node.gpu);
                run.tasks.push_back({0, profiler::RunFamily::gemm, 7, at, at + length});
                at += length;
                ++products;
            }
        }
    }
    const RunComparison comparison = compare_run(experiment, simulation, calibration, run);
    ASSERT_GT(products, 20U);
    bool seen = false;
    for (const FamilyComparison& family : comparison.families) {
        if (family.family != profiler::RunFamily::gemm) {
            EXPECT_EQ(family.measured_s, 0);
            EXPECT_GT(family.predicted_tasks, 0);
            continue;
        }
        seen = true;
        EXPECT_NEAR(family.predicted_tasks, family.measured_tasks, 1e-9);
        EXPECT_NEAR(family.predicted_s / family.measured_s, 1, 1e-6);
    }
    EXPECT_TRUE(seen);
    EXPECT_GE(comparison.predicted_gap_s, -1e-9);
    EXPECT_LT(comparison.predicted_gap_s, comparison.predicted_step_s);
}

}  // namespace
}  // namespace orrery::study
