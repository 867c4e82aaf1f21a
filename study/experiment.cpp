#include "study/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "schedules/schedule.hpp"
#include "study/document.hpp"
#include "study/experiment_table.hpp"

namespace orrery::study {
namespace {

/// How many nodes, and how many GPUs on each.
std::pair<int, int> nodes_and_gpus(const Experiment& experiment, const ClusterChoice& choice,
                                   int gpus_of_node) {
    if (!choice.gpus) return {choice.nodes.value_or(1), gpus_of_node};
    const int gpus = *choice.gpus;
    const int nodes = choice.nodes.value_or((gpus + gpus_of_node - 1) / gpus_of_node);
    if (gpus % nodes != 0 || gpus / nodes > gpus_of_node) {
        throw InputError(
            experiment.where("cluster.gpus"), "cluster.gpus",
            fmt::format("{} GPUs do not lie equally on {} nodes of {}; expected a multiple of the "
                        "nodes, at most {}",
                        gpus, nodes, gpus_of_node, std::int64_t{nodes} * gpus_of_node));
    }
    return {nodes, gpus / nodes};
}

/// A name stays a name; a path is looked up beside the experiment's file. Throws InputError at the key when
/// there is neither.
std::string data_name(const Experiment& experiment, const std::string& key, const std::string& word,
                      std::string_view folder, const std::string& written) {
    const std::string file = data_file(folder, written, word, experiment.where(key), key).string();
    const bool is_path = written.find('/') != std::string::npos || written.ends_with("ml");
    return is_path ? file : written;
}

topologies::Cluster cluster_of(const Experiment& experiment, const ClusterChoice& choice) {
    const std::string node = data_name(experiment, "cluster.node", "node", "topologies/zoo", choice.node);
    topologies::Cluster cluster = topologies::make_cluster(node, 1);
    if (!choice.fabric.empty()) {
        cluster.fabric = topologies::load_fabric(
            data_name(experiment, "cluster.fabric", "fabric", "topologies/zoo/fabrics", choice.fabric));
    }
    const int gpus_of_node = cluster.node.gpus;
    std::tie(cluster.nodes, cluster.node.gpus) = nodes_and_gpus(experiment, choice, gpus_of_node);
    // Half of a node's GPUs reach the network over half of its NICs.
    if (cluster.node.gpus < gpus_of_node && cluster.node.nics > 0) {
        cluster.node.nics = std::max(1, cluster.node.nics * cluster.node.gpus / gpus_of_node);
    }
    const auto replace = [](auto& figure, const auto& given) {
        if (given) figure = *given;
    };
    replace(cluster.node.nics, choice.nics);
    replace(cluster.node.nic_bandwidth, choice.nic_bandwidth);
    replace(cluster.node.nic_latency_s, choice.nic_latency_s);
    replace(cluster.node.gpu_link_bandwidth, choice.gpu_link_bandwidth);
    replace(cluster.node.gpu_link_latency_s, choice.gpu_link_latency_s);
    replace(cluster.node.gpu.memory_bytes, choice.gpu_memory_bytes);
    replace(cluster.fabric.oversubscription, choice.oversubscription);
    if (!choice.collectives.empty()) cluster.node.collectives = choice.collectives;
    return cluster;
}

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
        plan.parallel.sharding_group = std::gcd(plan.parallel.dp, experiment.cluster.node.gpus);
    }
    if (plan.training.seq_length == 0) plan.training.seq_length = experiment.model.seq_length;
    plan.schedule = file.schedule.name;
    plan.schedule_variant = file.schedule.variant;
    return plan;
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

Experiment read_experiment(yaml::Node document, std::span<const std::string> overrides) {
    document = follow_bases(std::move(document));
    for (const std::string& override_text : overrides) apply_override(document, override_text);
    ExperimentFile file = schema::read(experiment_table(), document);
    Experiment experiment = std::move(file.experiment);
    experiment.document = std::move(document);
    experiment.cluster = cluster_of(experiment, file.cluster);
    experiment.plan = plan_of(experiment, file);
    // A table of learned positions is as long as the sequences it is trained on.
    if (experiment.model.position == models::PositionKind::learned) {
        experiment.model.seq_length =
            std::max(experiment.model.seq_length, experiment.plan.training.seq_length);
    }
    const schedules::ScheduleEntry& schedule = schedule_of(experiment, experiment.plan.schedule);
    experiment.plan.parallel.vpp = file.schedule.vpp.value_or(schedule.default_chunks);
    if (experiment.calibration.empty()) experiment.calibration = experiment.cluster.node.gpu.name;
    experiment.calibration =
        data_name(experiment, "calibration", "calibration", "calibrations", experiment.calibration);
    experiment.plan.software =
        data_name(experiment, "software", "software", "models/software", experiment.plan.software);
    check_experiment(experiment);
    return experiment;
}

}  // namespace

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
