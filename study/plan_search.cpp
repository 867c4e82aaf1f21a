#include "study/plan_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "parallel/stage_partition.hpp"
#include "schedules/adapipe.hpp"
#include "schedules/mcap.hpp"
#include "schedules/mpress.hpp"
#include "study/layer_prices.hpp"

namespace orrery::study {
namespace {

using schedules::PartitionPlan;

int micro_batches(const Experiment& experiment) {
    return static_cast<int>(experiment.plan.training.micro_batches(experiment.plan.parallel));
}

PartitionPlan adapipe_plan(const Experiment& experiment, LayerPrices prices) {
    // Recomputation is all that AdaPipe chooses.
    for (schedules::LayerCost& block : prices.blocks) block.choices.resize(kSwapToPartner);
    schedules::AdaPipeProblem problem;
    problem.layers = std::move(prices.blocks);
    problem.stages = experiment.plan.parallel.pp;
    problem.micro_batches = micro_batches(experiment);
    problem.memory_limit = prices.memory_limit;
    return schedules::adapipe_search(problem);
}

/// Bytes/s each way between a GPU and that of the stage it is paired with: NVLink where the whole pipeline
/// lies in one node, the GPU's share of the NICs where not.
double peer_rate(const Experiment& experiment) {
    const topologies::Node& node = experiment.cluster.node;
    if (experiment.cluster.nodes == 1) return node.gpu_link_bandwidth;
    return node.nics * node.nic_bandwidth / node.gpus;
}

PartitionPlan mpress_plan(const Experiment& experiment, LayerPrices prices) {
    schedules::MPressProblem problem;
    problem.layers = std::move(prices.blocks);
    const models::Model model = models::build_transformer(experiment.model);
    int first = 0;
    for (const std::vector<int>& nodes : parallel::partition(model, experiment.plan.parallel.pp)) {
        problem.first_layer.push_back(first);
        first += static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [&](int node) {
            return model.layer(node).kind == models::LayerKind::block;
        }));
    }
    problem.micro_batches = micro_batches(experiment);
    problem.memory_limit = prices.memory_limit;
    problem.peer_rate = peer_rate(experiment);
    problem.host_rate = experiment.cluster.node.pcie_bandwidth;
    return schedules::mpress_search(problem);
}

/// mCAP moves layers and nothing else: they keep what the experiment says.
PartitionPlan mcap_plan(const Experiment& experiment, LayerPrices prices) {
    const auto policy = static_cast<std::size_t>(experiment.plan.training.recompute);
    for (schedules::LayerCost& block : prices.blocks) {
        block.backward += block.choices[policy].extra_time;
        block.choices = {block.choices[policy]};
        block.choices.front().extra_time = 0;
    }
    std::vector<int> in_flight;
    for (int stage = 0; stage < experiment.plan.parallel.pp; ++stage)
        in_flight.push_back(std::min(experiment.plan.parallel.pp - stage, micro_batches(experiment)));
    return schedules::mcap_search(prices.blocks, in_flight);
}

void apply(const PartitionPlan& found, parallel::Plan& plan) {
    plan.partition.clear();
    plan.layer_recompute.clear();
    plan.layer_offload.clear();
    bool moves = false;
    for (const schedules::StagePlan& stage : found.stages) {
        plan.partition.push_back(stage.last - stage.first);
        for (const int choice : stage.choice) {
            const bool recomputed = choice > 0 && choice < kSwapToPartner;
            plan.layer_recompute.push_back(recomputed ? static_cast<parallel::RecomputePolicy>(choice)
                                                      : parallel::RecomputePolicy::none);
            plan.layer_offload.push_back(choice == kSwapToPartner ? parallel::OffloadTarget::partner
                                         : choice == kSwapToHost  ? parallel::OffloadTarget::host
                                                                  : parallel::OffloadTarget::none);
            moves = moves || choice >= kSwapToPartner;
        }
    }
    if (!moves) plan.layer_offload.clear();
}

/// "adapipe: blocks a stage 11, 12, 13; of them recomputed selectively 0, 4, 0; ..."
std::string text_of(const std::string& name, const PartitionPlan& found) {
    static constexpr std::array kTreatments = {"recomputed selectively", "recomputed in full",
                                               "moved to the partner", "moved to the host"};
    std::vector<int> blocks;
    std::array<std::vector<int>, kTreatments.size()> treated;
    for (const schedules::StagePlan& stage : found.stages) {
        blocks.push_back(stage.last - stage.first);
        for (std::size_t t = 0; t < kTreatments.size(); ++t)
            treated[t].push_back(static_cast<int>(
                std::count(stage.choice.begin(), stage.choice.end(), static_cast<int>(t) + 1)));
    }
    std::string text = fmt::format("{}: blocks a stage {}", name, fmt::join(blocks, ", "));
    for (std::size_t t = 0; t < kTreatments.size(); ++t)
        if (std::any_of(treated[t].begin(), treated[t].end(), [](int count) { return count > 0; }))
            text += fmt::format("; {} {}", kTreatments[t], fmt::join(treated[t], ", "));
    return text;
}

}  // namespace

bool searches_plan(const Experiment& experiment) {
    const std::string& name = experiment.plan.schedule;
    return (name == "adapipe" || name == "mpress" || name == "mcap") && experiment.plan.partition.empty();
}

SearchedPlan with_searched_plan(const Experiment& experiment) {
    const LayerPrices prices = price_layers(experiment);
    const std::string& name = experiment.plan.schedule;
    SearchedPlan searched{experiment, {}};
    parallel::Plan& plan = searched.experiment.plan;
    try {
        const PartitionPlan found = name == "adapipe"  ? adapipe_plan(experiment, prices)
                                    : name == "mpress" ? mpress_plan(experiment, prices)
                                                       : mcap_plan(experiment, prices);
        apply(found, plan);
        searched.found = text_of(name, found);
    } catch (const InputError& error) {
        throw ExperimentError(name + ": " + error.message);
    }
    if (name == "mcap") plan.layer_recompute.clear();
    plan.schedule = "1f1b";
    plan.schedule_variant.clear();
    return searched;
}

}  // namespace orrery::study
