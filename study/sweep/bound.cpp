#include "study/sweep/bound.hpp"

#include "study/simulate.hpp"

namespace orrery::study {

double compute_bound_s(const Experiment& experiment) {
    const auto micro_batches =
        static_cast<double>(experiment.plan.training.micro_batches(experiment.plan.parallel));
    const auto stages = static_cast<double>(experiment.plan.parallel.pp);
    // The same layers on one stage, for one micro-batch.
    Experiment one = experiment;
    parallel::Plan& plan = one.plan;
    one.cluster.nodes = 1;
    one.cluster.node.gpus = plan.parallel.tp * plan.parallel.cp * plan.parallel.dp;
    plan.parallel.pp = 1;
    plan.parallel.vpp = 1;
    plan.schedule = "1f1b";
    plan.schedule_variant.clear();
    plan.training.global_batch = plan.training.micro_batch * plan.parallel.dp;
    one.engine = EngineKind::replay;
    one.fold = true;
    const Simulation simulation = simulate(one);

    const sim::RankProgram& rank = simulation.lowered.program.rank_programs.front();
    double seconds = 0;
    for (std::size_t task = 0; task < rank.size(); ++task) {
        const bool compute = rank.streams[rank.stream[task]()].kind == sim::StreamKind::compute;
        const bool repeated =
            rank.label[task].phase != sim::Phase::optimizer && rank.label[task].micro_batch >= 0;
        if (compute && repeated) seconds += simulation.prices.costs[rank.work[task]()].duration_s;
    }
    return seconds * micro_batches / stages;
}

}  // namespace orrery::study
