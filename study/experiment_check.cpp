// study/experiment_check.cpp
//
// What must hold between the keys of an experiment. Each check names the key to change and what it may be.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "models/graph.hpp"
#include "parallel/pipeline_shape.hpp"
#include "schedules/schedule.hpp"
#include "study/division_check.hpp"
#include "study/experiment.hpp"
#include "study/plan_search.hpp"

namespace orrery::study {
namespace {

constexpr std::int64_t kMostActions = 8'000'000;

[[noreturn]] void fail(const Experiment& experiment, const std::string& key, const std::string& message) {
    throw InputError(experiment.where(key), key, message);
}

/// "1, 2, 4, 8": the divisors of n, the largest last, for messages. Those up to `most`.
std::string divisors(std::int64_t n, std::int64_t most) {
    std::vector<std::int64_t> all;
    for (std::int64_t d = 1; d <= std::min<std::int64_t>({n, most, 4096}); ++d) {
        if (n % d == 0) all.push_back(d);
    }
    return fmt::format("{}", fmt::join(all, ", "));
}

void check_gpus(const Experiment& experiment) {
    const parallel::Parallelism& p = experiment.plan.parallel;
    const int gpus = experiment.cluster.devices();
    const std::int64_t model_parallel = std::int64_t{1} * p.tp * p.pp * p.cp;
    if (model_parallel * p.dp == gpus) return;
    const std::string product = fmt::format("tp {} x pp {} x cp {} x dp {} = {} GPUs, but the cluster has {}",
                                            p.tp, p.pp, p.cp, p.dp, model_parallel * p.dp, gpus);
    if (gpus % model_parallel == 0) {
        fail(experiment, "parallel.dp", fmt::format("{}; expected dp: {}", product, gpus / model_parallel));
    }
    fail(experiment, "parallel", fmt::format("{}; expected a product of {}", product, gpus));
}

void check_heads(const Experiment& experiment, const models::TransformerShape& model) {
    const int tp = experiment.plan.parallel.tp;
    const std::string of = experiment.model.towers.empty() ? "the model's" : model.name + "'s";
    if (model.heads % tp != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} does not divide {} {} heads; expected one of {}", tp, of, model.heads,
                         divisors(model.heads, 1024)));
    }
    // With fewer key and value heads than tensor ranks, each is held by tp / kv_heads ranks.
    if (model.kv_heads % tp != 0 && tp % model.kv_heads != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} and {} {} key and value heads: neither divides the other", tp, of,
                         model.kv_heads));
    }
    if (model.ffn_hidden % tp != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} does not divide the feed-forward size {}; expected one of {}", tp,
                         model.ffn_hidden, divisors(model.ffn_hidden, model.heads)));
    }
}

void check_tensor(const Experiment& experiment) {
    if (experiment.model.fusion != models::FusionKind::contrastive || experiment.model.towers.empty())
        check_heads(experiment, experiment.model);
    for (const models::TransformerShape& tower : experiment.model.towers) check_heads(experiment, tower);
}

void check_sequence(const Experiment& experiment) {
    const parallel::Parallelism& p = experiment.plan.parallel;
    const auto check_length = [&](std::int64_t length, const std::string& of) {
        if (p.sequence_parallel && length / p.cp % p.tp != 0) {
            fail(experiment, "parallel.sequence_parallel",
                 fmt::format("tp {} does not divide the {} tokens of {}", p.tp, length / p.cp, of));
        }
    };
    check_length(experiment.plan.training.seq_length, "a rank");
    for (const models::TransformerShape& tower : experiment.model.towers)
        check_length(tower.seq_length, "tower " + tower.name);
}

/// What is defined for one stack of layers and one sequence only.
void check_towers(const Experiment& experiment) {
    const models::TransformerShape& model = experiment.model;
    if (model.towers.empty()) return;
    const parallel::Plan& plan = experiment.plan;
    if (plan.training.seq_length != model.seq_length)
        fail(experiment, "training.seq_length",
             fmt::format("{} tokens; the towers of {} make {} of a sample", plan.training.seq_length,
                         model.name, model.seq_length));
    if (plan.parallel.cp > 1)
        fail(experiment, "parallel.cp", "towers are not divided by context; expected 1");
    if (plan.slices > 1)
        fail(experiment, "schedule.slices", "each tower has a sequence of its own; expected 1");
    if (plan.parallel.sequence_parallel && model.fusion == models::FusionKind::contrastive)
        fail(experiment, "parallel.sequence_parallel",
             "one embedding a sample cannot be divided along a sequence; expected false");
    if (searches_plan(experiment))
        fail(experiment, "schedule.name",
             plan.schedule + " searches the plan of a chain of layers; the model has branches");
}

void check_sharding(const Experiment& experiment) {
    const parallel::Parallelism& p = experiment.plan.parallel;
    if (p.sharding_group != 0 && p.sharding != parallel::DataSharding::hybrid) {
        fail(experiment, "parallel.sharding_group", "has a meaning only with sharding: hsdp");
    }
    if (p.sharding == parallel::DataSharding::hybrid && p.sharding_group != 0 &&
        p.dp % p.sharding_group != 0) {
        fail(experiment, "parallel.sharding_group",
             fmt::format("groups of {} do not divide dp {}; expected one of {}", p.sharding_group, p.dp,
                         divisors(p.dp, p.dp)));
    }
}

void check_partition(const Experiment& experiment) {
    const std::vector<int>& partition = experiment.plan.partition;
    const std::int64_t stages = std::int64_t{1} * experiment.plan.parallel.pp * experiment.plan.parallel.vpp;
    if (static_cast<std::int64_t>(partition.size()) != stages) {
        fail(experiment, "parallel.partition",
             fmt::format("gives {} stages their layers; expected {} (pp {} x vpp {})", partition.size(),
                         stages, experiment.plan.parallel.pp, experiment.plan.parallel.vpp));
    }
    const std::int64_t sum = std::accumulate(partition.begin(), partition.end(), std::int64_t{0});
    if (sum != experiment.model.blocks()) {
        fail(experiment, "parallel.partition",
             fmt::format("adds up to {} layers; the model has {}", sum, experiment.model.blocks()));
    }
}

void check_layers(const Experiment& experiment) {
    if (!experiment.plan.partition.empty()) return check_partition(experiment);
    const parallel::Parallelism& p = experiment.plan.parallel;
    const std::int64_t layers = experiment.model.blocks();
    if (p.pp > layers) {
        fail(experiment, "parallel.pp",
             fmt::format("pp {} is more than the model's {} layers; expected 1 to {}", p.pp, layers, layers));
    }
    if (!experiment.model.towers.empty()) {  // cut by work, not by number (parallel/branch_partition.hpp)
        if (std::int64_t{1} * p.pp * p.vpp <= layers) return;
        fail(experiment, "schedule.vpp",
             fmt::format("pp {} x vpp {} are more than the model's {} layers", p.pp, p.vpp, layers));
    }
    // Stages of one chunk may differ by a layer. Of several chunks only the first and the last, which hold
    // the embedding and the head as well, may have one less than the others (Llama 3 405B: 126 on 16 x 8).
    const std::int64_t stages = std::int64_t{1} * p.pp * p.vpp;
    const std::int64_t per_stage = (layers + p.pp - 1) / p.pp;
    const std::int64_t missing = (layers + stages - 1) / stages * stages - layers;
    if (p.vpp > 1 && missing > 2) {
        if (layers % p.pp != 0) {
            fail(experiment, "parallel.pp",
                 fmt::format("pp {} does not divide the model's {} layers; expected one of {}", p.pp, layers,
                             divisors(layers, 4096)));
        }
        fail(experiment, "schedule.vpp",
             fmt::format("vpp {} does not divide the {} layers of a stage; expected one of {}", p.vpp,
                         per_stage, divisors(per_stage, 1024)));
    }
    const parallel::Training& training = experiment.plan.training;
    if (training.recompute == parallel::RecomputePolicy::full && training.recompute_layers > per_stage) {
        fail(experiment, "training.recompute.layers",
             fmt::format("{} layers, but a stage has {}; expected 1 to {}", training.recompute_layers,
                         per_stage, per_stage));
    }
}

/// Lists with an entry for every layer, and the stages that offloading pairs.
void check_layer_lists(const Experiment& experiment) {
    const parallel::Plan& plan = experiment.plan;
    const auto one_each = [&](std::size_t entries, const char* key) {
        if (entries == 0 || static_cast<std::int64_t>(entries) == experiment.model.blocks()) return;
        fail(experiment, key,
             fmt::format("has {} entries; the model has {} layers", entries, experiment.model.blocks()));
    };
    one_each(plan.layer_recompute.size(), "training.recompute.per_layer");
    one_each(plan.layer_offload.size(), "training.offload.per_layer");
    const bool pairs = std::count(plan.layer_offload.begin(), plan.layer_offload.end(),
                                  parallel::OffloadTarget::partner) > 0;
    if (pairs && plan.parallel.pp == 1) {
        fail(experiment, "training.offload", "partner: a pipeline of one stage has no other stage's memory");
    }
    if (plan.offload_partner.empty()) return;
    const int pp = plan.parallel.pp;
    if (static_cast<int>(plan.offload_partner.size()) != pp) {
        fail(experiment, "training.offload.partners",
             fmt::format("has {} entries; expected {}, one for each stage", plan.offload_partner.size(), pp));
    }
    for (const int partner : plan.offload_partner) {
        if (partner < pp) continue;
        fail(experiment, "training.offload.partners",
             fmt::format("stage {} does not exist; expected 0 to {}", partner, pp - 1));
    }
}

void check_slices(const Experiment& experiment) {
    const parallel::Plan& plan = experiment.plan;
    const std::int64_t length = plan.training.seq_length;
    const std::vector<std::int64_t>& lengths = plan.slice_lengths;
    if (plan.slices > length) {
        fail(experiment, "schedule.slices",
             fmt::format("{} slices of {} tokens; expected at most one a token", plan.slices, length));
    }
    const int divided = plan.parallel.sequence_parallel ? plan.parallel.tp : 1;
    if (lengths.empty()) {
        if (plan.slices == 1 || length / divided >= plan.slices) return;
        fail(experiment, "schedule.slices",
             fmt::format("{} slices, each divided over tp {}; expected at most {}", plan.slices, divided,
                         length / divided));
    }
    if (static_cast<int>(lengths.size()) != plan.slices) {
        fail(experiment, "schedule.slice_lengths",
             fmt::format("has {} entries for {} slices", lengths.size(), plan.slices));
    }
    const std::int64_t sum = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    if (sum != length) {
        fail(experiment, "schedule.slice_lengths",
             fmt::format("adds up to {} tokens; a sequence has {}", sum, length));
    }
    for (const std::int64_t slice : lengths) {
        if (slice % divided == 0) continue;
        fail(
            experiment, "schedule.slice_lengths",
            fmt::format("tp {} with sequence_parallel does not divide a slice of {} tokens", divided, slice));
    }
}

void check_batch(const Experiment& experiment) {
    const parallel::Training& training = experiment.plan.training;
    const std::int64_t together = training.micro_batch * experiment.plan.parallel.dp;
    if (training.global_batch % together == 0) return;
    fail(experiment, "training.global_batch",
         fmt::format("{} sequences do not divide into dp {} x micro_batch {}; expected a multiple of {}",
                     training.global_batch, experiment.plan.parallel.dp, training.micro_batch, together));
}

/// The key of the file behind the field that a schedule's generator complains of.
std::string key_of(const std::string& field) {
    if (field == "stages") return "parallel.pp";
    if (field == "microbatches") return "training.global_batch";
    if (field == "chunks") return "schedule.vpp";
    if (field == "variant") return "schedule.variant";
    if (field == "slices") return "schedule.slices";
    if (field == "memory-limit") return "schedule.memory_limit";
    return "schedule.name";
}

/// Only branches are looked for in the model itself.
schedules::PipelineShape shape_of(const Experiment& experiment) {
    if (experiment.model.towers.empty()) return parallel::pipeline_shape(experiment.plan);
    try {
        return parallel::pipeline_shape(experiment.plan, models::build_transformer(experiment.model));
    } catch (const ExperimentError& error) {
        fail(experiment, experiment.plan.partition.empty() ? "parallel.pp" : "parallel.partition",
             error.what());
    }
}

void check_schedule(const Experiment& experiment) {
    const parallel::Plan& plan = experiment.plan;
    const std::int64_t micro_batches = plan.training.micro_batches(plan.parallel);
    const std::int64_t units = std::int64_t{1} * plan.parallel.pp * plan.parallel.vpp * plan.slices;
    const std::int64_t actions = 2 * micro_batches * units;
    if (micro_batches > kMostActions || units > kMostActions || actions > kMostActions) {
        fail(experiment, "training.global_batch",
             fmt::format(
                 "{} micro-batches make more than {} pipeline actions; expected a smaller batch, or a larger "
                 "micro_batch",
                 micro_batches, kMostActions));
    }
    if (plan.schedule.starts_with("interleaved") && plan.parallel.vpp == 1) {
        fail(experiment, "schedule.vpp",
             fmt::format("{} needs at least 2 chunks a stage; expected vpp >= 2, or schedule: 1f1b",
                         plan.schedule));
    }
    const schedules::PipelineShape shape = shape_of(experiment);
    try {
        schedules::make_schedule(plan.schedule, shape);
    } catch (const InputError& error) {
        fail(experiment, key_of(error.key), error.message);
    }
}

/// What the closed forms of replay and the prices of kernels know nothing of is refused where it is asked
/// for.
void check_cluster_for_engine(const Experiment& experiment) {
    const topologies::Cluster& cluster = experiment.cluster;
    for (std::size_t kind = 1; kind < cluster.kinds(); ++kind)
        if (searches_plan(experiment) && cluster.kind(kind).gpu.name != cluster.kind(0).gpu.name)
            fail(
                experiment, "schedule.name",
                fmt::format("{} searches the plan for stages on one kind of GPU, not on {} and {}; expected "
                            "another schedule, with parallel.partition",
                            experiment.plan.schedule, cluster.kind(0).gpu.name, cluster.kind(kind).gpu.name));
    const bool by_closed_forms = experiment.engine == EngineKind::replay;
    if (by_closed_forms && cluster.custom)
        fail(experiment, "cluster.graph",
             "engine replay's closed forms know nodes and fabrics, not any graph; expected an engine that "
             "moves "
             "messages over links, as simgrid does");
    if ((by_closed_forms || experiment.engine == EngineKind::simgrid) && !cluster.degradations.empty())
        fail(experiment, "cluster.degrade",
             "this engine keeps its speeds for the whole step; expected engine flow");
}

void check_reliability(const Experiment& experiment) {
    const auto& parts = experiment.reliability;
    if (!parts || parts->gpu_mtbf_h > 0 || parts->node_mtbf_h > 0 || parts->cluster_mtbf_h > 0) return;
    fail(experiment, "reliability",
         "nothing in it fails; expected gpu_mtbf_h, node_mtbf_h or cluster_mtbf_h");
}

}  // namespace

void check_experiment(const Experiment& experiment) {
    check_cluster_for_engine(experiment);
    check_gpus(experiment);
    check_towers(experiment);
    check_tensor(experiment);
    check_sequence(experiment);
    check_context(experiment);
    check_experts(experiment);
    check_sharding(experiment);
    check_layers(experiment);
    check_layer_lists(experiment);
    check_slices(experiment);
    check_batch(experiment);
    check_schedule(experiment);
    check_reliability(experiment);
}

}  // namespace orrery::study
