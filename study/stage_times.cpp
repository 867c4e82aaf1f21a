#include "study/stage_times.hpp"

#include <algorithm>

#include "models/software.hpp"
#include "parallel/lower.hpp"
#include "parallel/pipeline_shape.hpp"
#include "schedules/schedule.hpp"
#include "study/kind_prices.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {
namespace {

/// The same work in few micro-batches and in an order that needs no times: F, B and W apart.
Experiment probe_of(const Experiment& experiment) {
    Experiment probe = experiment;
    parallel::Plan& plan = probe.plan;
    plan.schedule = "zb-h1";
    plan.schedule_variant.clear();
    plan.schedule_memory_limit.reset();
    plan.partition.clear();
    plan.parallel.vpp = 1;
    plan.training.global_batch = plan.training.micro_batch * plan.parallel.dp * plan.parallel.pp;
    return probe;
}

/// Kernels and the tensor-parallel collectives between them count; transfers and gradients do not.
bool counts(sim::StreamKind kind) {
    return kind == sim::StreamKind::compute || kind == sim::StreamKind::tp || kind == sim::StreamKind::cp ||
           kind == sim::StreamKind::ep;
}

}  // namespace

StageTimes stage_times(const Experiment& experiment) {
    const Experiment probe = probe_of(experiment);
    const models::Model model = models::build_transformer(probe.model);
    const schedules::Schedule schedule =
        schedules::make_schedule(probe.plan.schedule, parallel::pipeline_shape(probe.plan));
    const std::shared_ptr<const models::Software> software = shared_software(probe.plan.software);
    const parallel::Lowered lowered = parallel::lower(model, probe.plan, *software, schedule, {true, false});
    const sim::Prices prices = prices_of(probe, lowered.program);

    const std::int32_t middle = probe.plan.parallel.pp / 2;
    StageTimes times;
    for (std::size_t r = 0; r < lowered.program.ranks.size(); ++r) {
        if (lowered.program.ranks[r].pipeline_device != middle) continue;
        const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(r));
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            const sim::WorkCost& cost = prices.costs[tasks.work[t]()];
            const sim::StreamKind kind = tasks.streams[tasks.stream[t]()].kind;
            if (kind == sim::StreamKind::pp_send)
                times.transfer_s = std::max(times.transfer_s, cost.duration_s);
            if (tasks.label[t].micro_batch != 0 || !counts(kind)) continue;
            const double busy = std::max(cost.duration_s, cost.launch_s);
            if (tasks.label[t].phase == sim::Phase::backward_input) times.backward_input_s += busy;
            if (tasks.label[t].phase == sim::Phase::backward_weight) times.backward_weight_s += busy;
            if (tasks.label[t].phase == sim::Phase::forward) times.forward_s += busy;
            // What is computed again goes before the input's gradient.
            if (tasks.label[t].phase == sim::Phase::recompute) times.backward_input_s += busy;
        }
        break;
    }
    return times;
}

}  // namespace orrery::study
