#include "parallel/lower.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/error.hpp"
#include "parallel/data/data_parallel.hpp"
#include "parallel/pipeline.hpp"

namespace orrery::parallel {

using namespace sim;

namespace {

/// Blocks of each stage. Those that even division lacks come off the ends in turn, the last stage first.
std::vector<int> blocks_per_stage(int blocks, int stages) {
    std::vector<int> share(static_cast<std::size_t>(stages), (blocks + stages - 1) / stages);
    int first = 0;
    int last = stages - 1;
    for (int missing = share[0] * stages - blocks; missing > 0; --missing) {
        const bool from_the_end = (stages - 1 - last) <= first;
        --share[static_cast<std::size_t>(from_the_end ? last-- : first++)];
    }
    return share;
}

}  // namespace

std::vector<std::vector<int>> partition(const models::Model& model, int stages) {
    std::vector<int> blocks;
    for (int node = 0; node < static_cast<int>(model.nodes.size()); ++node) {
        if (model.layer(node).kind == models::LayerKind::block) blocks.push_back(node);
    }
    std::vector<std::vector<int>> held;
    auto next = blocks.begin();
    for (const int share : blocks_per_stage(static_cast<int>(blocks.size()), stages)) {
        held.emplace_back(next, next + share);
        next += share;
    }
    held.front().insert(held.front().begin(), 0);
    held.back().push_back(static_cast<int>(model.nodes.size()) - 1);
    return held;
}

namespace {

models::LocalShape local_shape(const models::Model& model, const Plan& plan, int slices) {
    const Parallelism& p = plan.parallel;
    const std::int64_t seq = plan.training.seq_length > 0 ? plan.training.seq_length : model.shape.seq_length;
    models::LocalShape shape;
    shape.batch = plan.training.micro_batch;
    shape.seq = seq / p.cp / slices;
    shape.keys = seq / p.cp / slices;
    shape.tp = p.tp;
    shape.sequence_parallel = p.sequence_parallel && p.tp > 1;
    shape.precision = plan.training.precision;
    return shape;
}

/// Schedules whose weights or stages are more than one copy of a chain need tasks that are not written yet;
/// without them the program would look right and be wrong.
void refuse_what_is_missing(const schedules::Schedule& schedule) {
    std::string why;
    if (schedule.placement.size() > 1) {
        why = "its two replicas of the weights would have to synchronise their gradients";
    } else if (!schedule.synchronous) {
        why = "it has no flush, so its step is not one optimizer step";
    } else if (!schedule.stage_inputs.empty()) {
        why = "its stages form a graph, the models here are chains";
    }
    if (!why.empty()) {
        throw ExperimentError("schedule " + schedule.name + " cannot be lowered onto a model yet: " + why +
                              "; orrery schedule " + schedule.name + " evaluates it on its own");
    }
}

}  // namespace

Lowered lower(const models::Model& model, const Plan& plan, const models::Software& software,
              const schedules::Schedule& schedule, const LowerOptions& options) {
    refuse_what_is_missing(schedule);
    Lowered lowered;
    lowered.stage_layers = partition(model, schedule.stages());
    Interner interner;
    const Transfers transfers = collect_transfers(schedule);
    std::vector<RankBuilder> ranks(static_cast<std::size_t>(schedule.devices));
    for (int device = 0; device < schedule.devices; ++device) {
        RankContext context{model, plan, software, options, interner, ranks[static_cast<std::size_t>(device)],
                            device};
        context.shape = local_shape(model, plan, schedule.slices);
        for (const std::vector<int>& placement : schedule.placement) {
            for (int stage = 0; stage < schedule.stages(); ++stage) {
                if (placement[static_cast<std::size_t>(stage)] != device) continue;
                const std::vector<int>& nodes = lowered.stage_layers[static_cast<std::size_t>(stage)];
                context.nodes.insert(context.nodes.end(), nodes.begin(), nodes.end());
            }
        }
        std::sort(context.nodes.begin(), context.nodes.end());
        lower_device(context, schedule, lowered.stage_layers, transfers);
        lowered.device_parameters.push_back(context.device_parameters());
    }
    for (RankBuilder& rank : ranks) rank.finish();
    lowered.program = assemble(plan.parallel, std::move(ranks), std::move(interner), options.fold);
    return lowered;
}

}  // namespace orrery::parallel
