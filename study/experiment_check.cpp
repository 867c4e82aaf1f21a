// study/experiment_check.cpp
//
// What must hold between the keys of an experiment. Each check names the key to change and what it may be.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "schedules/schedule.hpp"
#include "study/experiment.hpp"

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

void check_tensor(const Experiment& experiment) {
    const models::TransformerShape& model = experiment.model;
    const int tp = experiment.plan.parallel.tp;
    if (model.heads % tp != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} does not divide the model's {} heads; expected one of {}", tp, model.heads,
                         divisors(model.heads, 1024)));
    }
    // With fewer key and value heads than tensor ranks, each is held by tp / kv_heads ranks.
    if (model.kv_heads % tp != 0 && tp % model.kv_heads != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} and the model's {} key and value heads: neither divides the other", tp,
                         model.kv_heads));
    }
    if (model.ffn_hidden % tp != 0) {
        fail(experiment, "parallel.tp",
             fmt::format("tp {} does not divide the feed-forward size {}; expected one of {}", tp,
                         model.ffn_hidden, divisors(model.ffn_hidden, model.heads)));
    }
}

void check_sequence(const Experiment& experiment) {
    const parallel::Parallelism& p = experiment.plan.parallel;
    if (p.cp != 1) {
        fail(experiment, "parallel.cp",
             fmt::format("{}: context parallelism is not modelled yet; expected 1", p.cp));
    }
    const std::int64_t length = experiment.plan.training.seq_length;
    if (p.sequence_parallel && length % p.tp != 0) {
        fail(experiment, "parallel.sequence_parallel",
             fmt::format("tp {} does not divide the {} tokens of a rank", p.tp, length));
    }
}

void check_experts(const Experiment& experiment) {
    if (experiment.plan.parallel.ep == 1) return;
    fail(experiment, "parallel.ep", fmt::format("{} has no experts; expected 1", experiment.model.name));
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

void check_layers(const Experiment& experiment) {
    const parallel::Parallelism& p = experiment.plan.parallel;
    const std::int64_t layers = experiment.model.layers;
    if (p.pp > layers) {
        fail(experiment, "parallel.pp",
             fmt::format("pp {} is more than the model's {} layers; expected 1 to {}", p.pp, layers, layers));
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
    return "schedule.name";
}

void check_schedule(const Experiment& experiment) {
    const parallel::Plan& plan = experiment.plan;
    const std::int64_t micro_batches = plan.training.micro_batches(plan.parallel);
    const std::int64_t actions = 2 * micro_batches * plan.parallel.pp * plan.parallel.vpp;
    if (micro_batches > kMostActions || actions > kMostActions) {
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
    schedules::PipelineShape shape;
    shape.devices = plan.parallel.pp;
    shape.micro_batches = static_cast<int>(micro_batches);
    shape.chunks = plan.parallel.vpp;
    shape.variant = plan.schedule_variant;
    try {
        schedules::make_schedule(plan.schedule, shape);
    } catch (const InputError& error) {
        fail(experiment, key_of(error.key), error.message);
    }
}

}  // namespace

void check_experiment(const Experiment& experiment) {
    check_gpus(experiment);
    check_tensor(experiment);
    check_sequence(experiment);
    check_experts(experiment);
    check_sharding(experiment);
    check_layers(experiment);
    check_batch(experiment);
    check_schedule(experiment);
}

}  // namespace orrery::study
