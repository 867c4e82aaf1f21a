#include "study/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "schedules/schedule.hpp"
#include "study/cluster_choice.hpp"
#include "study/collective_choice.hpp"
#include "study/data_name.hpp"
#include "study/document.hpp"
#include "study/experiment_table.hpp"
#include "study/read_experiment.hpp"
#include "study/slice_search.hpp"

namespace orrery::study {
namespace {

/// The data-parallel degree that uses every GPU.
int derived_dp(const Experiment& experiment, const parallel::Parallelism& degrees) {
    const std::int64_t model_parallel = std::int64_t{1} * degrees.tp * degrees.pp * degrees.cp;
    const int gpus = experiment.cluster.devices();
    if (gpus % model_parallel != 0) {
        throw InputError(
            experiment.where("parallel"), "parallel",
            fmt::format("tp {} x pp {} x cp {} = {} does not divide the cluster's {} GPUs; expected a "
                        "divisor of {}",
                        degrees.tp, degrees.pp, degrees.cp, model_parallel, gpus, gpus));
    }
    return static_cast<int>(gpus / model_parallel);
}

/// Ranks of an expert-parallel group that share a node.
int expert_ranks_per_node(const Experiment& experiment, const parallel::Parallelism& p) {
    const int gpus = experiment.cluster.common_gpus_per_node();
    const int here = gpus / std::gcd(gpus, p.expert_tp());
    return std::gcd(std::max(1, here), p.ep);
}

parallel::Plan plan_of(const Experiment& experiment, const ExperimentFile& file) {
    parallel::Plan plan = experiment.plan;
    plan.parallel = file.parallel.degrees;
    plan.parallel.dp = file.parallel.dp ? *file.parallel.dp : derived_dp(experiment, plan.parallel);
    plan.training = file.training.training;
    plan.training.recompute = file.training.recompute.policy;
    plan.training.recompute_method = file.training.recompute.method;
    plan.training.recompute_layers = file.training.recompute.layers;
    // Hybrid sharding shards inside a node where nothing else is said.
    if (plan.parallel.sharding == parallel::DataSharding::hybrid && plan.parallel.sharding_group == 0) {
        plan.parallel.sharding_group = std::gcd(plan.parallel.dp, experiment.cluster.common_gpus_per_node());
    }
    if (file.moe) plan.experts = expert_plan_of(experiment, *file.moe);
    plan.experts.node_ranks = expert_ranks_per_node(experiment, plan.parallel);
    if (plan.training.seq_length == 0) plan.training.seq_length = experiment.model.seq_length;
    plan.schedule = file.schedule.name;
    plan.schedule_variant = file.schedule.variant;
    plan.slice_lengths = file.schedule.slice_lengths;
    plan.slices =
        file.schedule.slices.value_or(std::max<int>(1, static_cast<int>(plan.slice_lengths.size())));
    plan.schedule_memory_limit = file.schedule.memory_limit;
    plan.partition = file.parallel.partition;
    plan.layer_recompute = file.training.recompute.per_layer;
    plan.layer_offload = file.training.offload.per_layer;
    if (plan.layer_offload.empty() && file.training.offload.target != parallel::OffloadTarget::none) {
        plan.layer_offload.assign(static_cast<std::size_t>(experiment.model.blocks()),
                                  file.training.offload.target);
    }
    plan.offload_partner = file.training.offload.partners;
    return plan;
}

/// The cluster's groups may each have one, or go by their GPU's name.
void set_calibrations(Experiment& experiment, const ClusterChoice& choice) {
    const auto named = [&](const std::string& key, const std::string& name) {
        return data_name(experiment, key, "calibration", "calibrations", name);
    };
    const topologies::Cluster& cluster = experiment.cluster;
    if (!experiment.calibration.empty()) {
        for (std::size_t kind = 0; kind < choice.groups.size(); ++kind)
            if (!choice.groups[kind].calibration.empty() ||
                cluster.kind(kind).gpu.name != cluster.node.gpu.name)
                throw InputError(experiment.where("calibration"), "calibration",
                                 "goes for one kind of GPU, and cluster.groups has several, or calibrations "
                                 "of its own; expected a calibration in each group, or in none");
    } else {
        experiment.calibration = cluster.node.gpu.name;
    }
    for (std::size_t kind = 0; kind < choice.groups.size(); ++kind) {
        const std::string& own = choice.groups[kind].calibration;
        const bool as_first = cluster.kind(kind).gpu.name == cluster.node.gpu.name;
        experiment.kind_calibrations.push_back(named(fmt::format("cluster.groups[{}].calibration", kind),
                                                     !own.empty() ? own
                                                     : as_first   ? experiment.calibration
                                                                  : cluster.kind(kind).gpu.name));
    }
    experiment.calibration = experiment.kind_calibrations.empty()
                                 ? named("calibration", experiment.calibration)
                                 : experiment.kind_calibrations.front();
}

/// The schedule's entry. Throws InputError naming the nearest one.
const schedules::ScheduleEntry& schedule_of(const Experiment& experiment, const std::string& name) {
    std::vector<std::string> names;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        if (entry.name == name) return entry;
        names.emplace_back(entry.name);
    }
    throw InputError(experiment.where("schedule.name"), "schedule.name",
                     unknown_name("schedule", name, names));
}

}  // namespace

Experiment read_experiment(yaml::Node document, std::span<const std::string> overrides) {
    document = follow_bases(std::move(document));
    for (const std::string& override_text : overrides) apply_override(document, override_text);
    ExperimentFile file = schema::read(experiment_table(), document);
    Experiment experiment = std::move(file.experiment);
    experiment.document = std::move(document);
    experiment.cluster = cluster_of(experiment, file.cluster);
    experiment.plan = plan_of(experiment, file);
    // A table of learned positions is as long as the sequences it is trained on.
    if (experiment.model.position == models::PositionKind::learned && experiment.model.towers.empty()) {
        experiment.model.seq_length =
            std::max(experiment.model.seq_length, experiment.plan.training.seq_length);
    }
    const schedules::ScheduleEntry& schedule = schedule_of(experiment, experiment.plan.schedule);
    experiment.plan.parallel.vpp = file.schedule.vpp.value_or(schedule.default_chunks);
    experiment.plan.parallel.overlap_p2p = file.parallel.overlap_p2p.value_or(!schedule.sends_block);
    set_calibrations(experiment, file.cluster);
    experiment.plan.software =
        data_name(experiment, "software", "software", "models/software", experiment.plan.software);
    check_experiment(experiment);
    if (file.schedule.search_slices) {
        try {
            experiment.plan.slice_lengths = best_slice_lengths(experiment);
        } catch (const InputError& error) {
            throw at_forced_key(experiment, error);
        }
        experiment.plan.slices = static_cast<int>(experiment.plan.slice_lengths.size());
        check_experiment(experiment);
    }
    return experiment;
}

void check_keys(const yaml::Node& document) {
    schema::read(experiment_table(), document);
}

Location Experiment::where(std::string_view dotted_key) const {
    return deepest(document, dotted_key).where();
}

Experiment load_experiment(const std::string& name_or_path, std::span<const std::string> overrides) {
    const std::filesystem::path path = data_file("configs", name_or_path, "experiment");
    Experiment experiment = read_experiment(yaml::read(path), overrides);
    if (experiment.name.empty()) experiment.name = path.stem().string();
    return experiment;
}

Experiment parse_experiment(std::string_view yaml_text, const std::string& file,
                            std::span<const std::string> overrides) {
    return read_experiment(yaml::parse(yaml_text, file), overrides);
}

std::string experiment_json_schema() {
    return schema::json_schema_text(experiment_table().shape(), "Orrery experiment");
}

}  // namespace orrery::study
