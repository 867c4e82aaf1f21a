#include "study/experiment_table.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "models/zoo.hpp"
#include "study/collective_choice.hpp"

namespace orrery::study {
namespace {

constexpr double kMostGpus = 1e6;
constexpr double kMostBatch = 1e9;

constexpr std::array<NamedScheme, 6> kSchemes = {{
    {"none", parallel::DataSharding::none, "replicas; bucketed gradient all-reduce (DDP)"},
    {"zero-1", parallel::DataSharding::optimizer,
     "optimizer state sharded (Megatron's distributed optimizer)"},
    {"zero-2", parallel::DataSharding::gradients, "and gradients (FSDP SHARD_GRAD_OP)"},
    {"zero-3", parallel::DataSharding::full, "and parameters, gathered layer by layer"},
    {"fsdp", parallel::DataSharding::full, "the same by its PyTorch name (FSDP FULL_SHARD)"},
    {"hsdp", parallel::DataSharding::hybrid,
     "full sharding inside groups, all-reduce across (FSDP HYBRID_SHARD)"},
}};

/// A list of names, each standing for a value.
template <class S, class Access, class Value>
schema::Field<S> list_of_choices(std::string key, Access access,
                                 const std::vector<std::pair<std::string, Value>>& choices) {
    schema::FieldInfo element;
    element.type = schema::ValueType::choice;
    for (const auto& [name, value] : choices) element.names.push_back(name);
    return schema::Field<S>::custom(
        std::move(key), schema::list_shape(element),
        [access, choices, element](S& s, const yaml::Node& node, const schema::FieldInfo& self,
                                   const schema::Scope& scope) {
            if (!schema::check_list(node, self, scope)) return;
            auto& values = std::invoke(access, s);
            values.clear();
            for (const yaml::Node& child : node.children) {
                schema::FieldInfo one = element;
                one.key = fmt::format("{}[{}]", self.key, values.size());
                const auto index = schema::read_choice(child, one, scope);
                values.push_back(index ? choices[*index].second : Value{});
            }
        });
}

const std::vector<std::pair<std::string, parallel::RecomputePolicy>> kRecomputePolicies = {
    {"none", parallel::RecomputePolicy::none},
    {"selective", parallel::RecomputePolicy::selective},
    {"full", parallel::RecomputePolicy::full}};

const std::vector<std::pair<std::string, parallel::OffloadTarget>> kOffloadTargets = {
    {"none", parallel::OffloadTarget::none},
    {"host", parallel::OffloadTarget::host},
    {"partner", parallel::OffloadTarget::partner}};

schema::Table<ParallelChoice> make_parallel_table() {
    using Field = schema::Field<ParallelChoice>;
    using P = ParallelChoice;
    std::vector<std::pair<std::string, parallel::DataSharding>> schemes;
    for (const NamedScheme& scheme : kSchemes) schemes.emplace_back(scheme.name, scheme.sharding);
    return {
        "parallel",
        "How the model lies on the GPUs.",
        {Field::integer(
             "tp", [](P & p) -> auto& { return p.degrees.tp; })
             .at_least(1)
             .at_most(kMostGpus)
             .describe("Tensor-parallel degree."),
         Field::integer(
             "pp", [](P & p) -> auto& { return p.degrees.pp; })
             .at_least(1)
             .at_most(4096)
             .describe("Pipeline stages."),
         Field::integer("dp", &P::dp)
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("GPUs / (tp x pp x cp)")
             .describe("Data-parallel degree."),
         Field::integer(
             "cp", [](P & p) -> auto& { return p.degrees.cp; })
             .at_least(1)
             .at_most(kMostGpus)
             .describe("Context-parallel degree."),
         Field::integer(
             "ep", [](P & p) -> auto& { return p.degrees.ep; })
             .at_least(1)
             .at_most(kMostGpus)
             .describe("Expert-parallel degree; these ranks are among the tensor, context and data "
                       "parallel ones."),
         Field::integer(
             "etp", [](P & p) -> auto& { return p.degrees.etp; })
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("tp")
             .describe("Ranks that divide each expert."),
         Field::choice("cp_scheme", [](P & p) -> auto& { return p.degrees.cp_scheme; },
                       {{"ring", parallel::ContextScheme::ring},
                        {"all-gather", parallel::ContextScheme::all_gather},
                        {"ulysses", parallel::ContextScheme::ulysses}})
             .describe("How attention sees the whole sequence: keys and values go round, or are "
                       "gathered, or heads are exchanged for tokens."),
         Field::boolean(
             "sequence_parallel", [](P & p) -> auto& { return p.degrees.sequence_parallel; })
             .describe("Megatron's sequence parallelism over the tensor-parallel group."),
         Field::choice(
             "sharding", [](P & p) -> auto& { return p.degrees.sharding; }, schemes)
             .describe("Who holds what along the data-parallel dimension."),
         Field::integer(
             "sharding_group", [](P & p) -> auto& { return p.degrees.sharding_group; })
             .at_least(1)
             .at_most(kMostGpus)
             .otherwise("one node")
             .describe("hsdp: ranks that share one copy."),
         Field::boolean(
             "overlap_grad_reduce", [](P & p) -> auto& { return p.degrees.overlap_grad_reduce; })
             .describe("Gradient collectives run beside backward."),
         Field::boolean(
             "overlap_param_gather", [](P & p) -> auto& { return p.degrees.overlap_param_gather; })
             .describe("Parameter collectives run beside forward."),
         Field::boolean("overlap_p2p", &P::overlap_p2p)
             .otherwise("as the schedule is implemented: Megatron's and those like it wait for their sends")
             .describe("Pipeline sends run beside compute."),
         Field::number(
             "bucket_bytes", [](P & p) -> auto& { return p.degrees.bucket_bytes; })
             .above(0)
             .unit("bytes")
             .otherwise("the software's")
             .describe("Size of a gradient bucket."),
         Field::integer(
             "prefetch", [](P & p) -> auto& { return p.degrees.prefetch; })
             .at_least(0)
             .at_most(1024)
             .describe("zero-3, fsdp, hsdp: units gathered ahead."),
         Field::list("partition", &P::partition)
             .at_least(0)
             .at_most(1e5)
             .otherwise("as even as possible")
             .describe("Layers of each virtual stage, in the model's order; the embedding lies with the "
                       "first, the head with the last.")}};
}

/// A list, or the word auto.
void read_slice_lengths(ScheduleChoice& choice, const yaml::Node& node, const schema::FieldInfo& field,
                        const schema::Scope& scope) {
    if (node.kind == yaml::Kind::scalar && node.text == "auto") {
        choice.search_slices = true;
        return;
    }
    if (!schema::check_list(node, field, scope)) return;
    for (const yaml::Node& child : node.children) {
        schema::FieldInfo element;
        element.key = fmt::format("{}[{}]", field.key, choice.slice_lengths.size());
        element.type = schema::ValueType::integer;
        element.least = 1;
        element.most = 1e8;
        choice.slice_lengths.push_back(schema::read_integer(child, element, scope).value_or(1));
    }
}

schema::Table<ScheduleChoice> make_schedule_table() {
    using Field = schema::Field<ScheduleChoice>;
    return {"schedule",
            "In which order a pipeline stage works.",
            {Field::text("name", &ScheduleChoice::name).describe("A name of `orrery list schedules`."),
             Field::integer("vpp", &ScheduleChoice::vpp)
                 .at_least(1)
                 .at_most(1024)
                 .otherwise("the schedule's")
                 .describe("Chunks (virtual stages) per stage."),
             Field::text("variant", &ScheduleChoice::variant)
                 .otherwise("the schedule's")
                 .describe("A named variant of the schedule."),
             Field::integer("slices", &ScheduleChoice::slices)
                 .at_least(1)
                 .at_most(4096)
                 .otherwise("as many as slice_lengths, or 1")
                 .describe("Token slices per sequence (terapipe, seq1f1b, chimera's halving)."),
             Field::custom("slice_lengths", schema::shape_from_json(R"({"anyOf": [{"const": "auto"},
                               {"type": "array", "items": {"type": "integer", "minimum": 1}}]})"),
                           read_slice_lengths)
                 .unit("tokens")
                 .otherwise("equal slices")
                 .describe("Tokens of each slice; they add up to the sequence. auto: TeraPipe's dynamic "
                           "program on this experiment's prices."),
             Field::number("memory_limit", &ScheduleChoice::memory_limit)
                 .above(0)
                 .at_most(1e6)
                 .unit("micro-batch activations of one device")
                 .otherwise("the schedule's own")
                 .describe("Activations a device may hold (dapple, zb-auto, zb-v, dynapipe).")},
            "name"};
}

schema::Table<RecomputeChoice> make_recompute_table() {
    using Field = schema::Field<RecomputeChoice>;
    using parallel::RecomputeMethod;
    return {"recompute",
            "Which activations are computed again in backward.",
            {Field::choice("policy", &RecomputeChoice::policy, kRecomputePolicies)
                 .describe("none; selective: the attention core; full: whole layers."),
             Field::choice("method", &RecomputeChoice::method,
                           {{"uniform", RecomputeMethod::uniform}, {"block", RecomputeMethod::block}})
                 .describe("full: uniform units over all layers, or a block of layers per stage."),
             Field::integer("layers", &RecomputeChoice::layers)
                 .at_least(1)
                 .at_most(1e5)
                 .describe("uniform: layers per unit; block: recomputed layers per stage."),
             list_of_choices<RecomputeChoice>("per_layer", &RecomputeChoice::per_layer, kRecomputePolicies)
                 .otherwise("the policy, for all")
                 .describe("A policy for each layer, in the model's order, in place of the other keys.")},
            "policy"};
}

schema::Table<OffloadChoice> make_offload_table() {
    using Field = schema::Field<OffloadChoice>;
    return {"offload",
            "Where activations stay between forward and backward.",
            {Field::choice("target", &OffloadChoice::target, kOffloadTargets)
                 .describe("none: on the GPU; host: copied to host memory and back; partner: sent to another "
                           "pipeline stage's GPU and back."),
             list_of_choices<OffloadChoice>("per_layer", &OffloadChoice::per_layer, kOffloadTargets)
                 .otherwise("the target, for all")
                 .describe("A target for each layer, in the model's order."),
             Field::list("partners", &OffloadChoice::partners)
                 .at_least(0)
                 .at_most(4096)
                 .otherwise("stage p-1-s for stage s")
                 .describe("partner: for each pipeline stage the one whose memory it uses.")},
            "target"};
}

schema::Table<TrainingChoice> make_training_table() {
    using Field = schema::Field<TrainingChoice>;
    using T = TrainingChoice;
    static const schema::Table<RecomputeChoice> recompute = make_recompute_table();
    static const schema::Table<OffloadChoice> offload = make_offload_table();
    return {"training",
            "One optimizer step.",
            {Field::integer(
                 "global_batch", [](T & t) -> auto& { return t.training.global_batch; })
                 .at_least(1)
                 .at_most(kMostBatch)
                 .required()
                 .unit("sequences")
                 .describe("Sequences per optimizer step."),
             Field::integer(
                 "micro_batch", [](T & t) -> auto& { return t.training.micro_batch; })
                 .at_least(1)
                 .at_most(kMostBatch)
                 .unit("sequences")
                 .describe("Sequences per micro-batch."),
             Field::integer(
                 "seq_length", [](T & t) -> auto& { return t.training.seq_length; })
                 .at_least(1)
                 .at_most(1e8)
                 .unit("tokens")
                 .otherwise("the model's")
                 .describe("Tokens per sequence."),
             Field::choice("precision", [](T & t) -> auto& { return t.training.precision; },
                           {{"fp32", Precision::fp32},
                            {"tf32", Precision::tf32},
                            {"fp16", Precision::fp16},
                            {"bf16", Precision::bf16},
                            {"fp8", Precision::fp8}})
                 .describe("Of the matrix products."),
             Field::table("recompute", &T::recompute, recompute)
                 .describe("Which activations are computed again in backward."),
             Field::table("offload", &T::offload, offload)
                 .describe("Where activations stay between forward and backward.")}};
}

schema::Table<ExperimentFile> make_experiment_table() {
    using Field = schema::Field<ExperimentFile>;
    using F = ExperimentFile;
    static const auto parallel = make_parallel_table();
    static const auto schedule = make_schedule_table();
    static const auto training = make_training_table();
    return {
        "experiment",
        "One training step of one model on one cluster.",
        {Field::text(
             "name", [](F & f) -> auto& { return f.experiment.name; })
             .describe("Its name in reports."),
         Field::text(
             "description", [](F & f) -> auto& { return f.experiment.description; })
             .describe("What it shows."),
         Field::text(
             "source", [](F & f) -> auto& { return f.experiment.source; })
             .describe("Where the run it stands for is published."),
         Field::custom("base", schema::shape_from_json(R"({"type": "string"})"),
                       [](F&, const yaml::Node&, const schema::FieldInfo&, const schema::Scope&) {})
             .describe(
                 "Another experiment that this one changes: a path beside this file, or a name in configs."),
         Field::custom("vary", schema::shape_from_json(R"({"type": ["object", "array"]})"),
                       [](F&, const yaml::Node& node, const schema::FieldInfo&, const schema::Scope&) {
                           throw InputError(
                               node.where(), "vary",
                               "describes several experiments: expected `orrery sweep`, or `orrery compare`");
                       })
             .describe("What differs between several experiments (orrery compare): keys and lists of their "
                       "values, or a list of maps of keys."),
         Field::custom(
             "model", models::transformer_value_shape(),
             [](F& f, const yaml::Node& node, const schema::FieldInfo& field, const schema::Scope& scope) {
                 models::read_transformer(f.experiment.model, node, field.key, scope);
             })
             .required()
             .describe("A name in models/zoo, a path, or the map itself."),
         Field::table("cluster", &F::cluster, cluster_table()).required().describe("What it runs on."),
         Field::table("parallel", &F::parallel, parallel).describe("How the model lies on the GPUs."),
         Field::table("schedule", &F::schedule, schedule).describe("A schedule's name, or a map."),
         Field::table("moe", &F::moe, moe_table()).describe("How tokens reach experts."),
         Field::table("training", &F::training, training).required().describe("One optimizer step."),
         Field::text(
             "software", [](F & f) -> auto& { return f.experiment.plan.software; })
             .describe("The framework: how operators become kernels, and what the host pays for them."),
         Field::text(
             "calibration", [](F & f) -> auto& { return f.experiment.calibration; })
             .otherwise("that of the GPU")
             .describe("How long kernels take: a name in calibrations, or a path."),
         Field::choice(
             "engine", [](F & f) -> auto& { return f.experiment.engine; },
             {{"replay", EngineKind::replay}, {"flow", EngineKind::flow}, {"simgrid", EngineKind::simgrid}})
             .describe("What moves the program through time."),
         Field::choice("granularity", [](F & f) -> auto& { return f.experiment.granularity; },
                       {{"kernel", Granularity::kernel}, {"layer", Granularity::layer}})
             .describe("What one task is."),
         Field::boolean(
             "fold", [](F & f) -> auto& { return f.experiment.fold; })
             .describe("Simulate ranks that do the same work once."),
         Field::table(
             "collectives", [](F & f) -> auto& { return f.experiment.collectives; }, collectives_table())
             .otherwise("the calibration's choice, as NCCL's tuner makes it")
             .describe("Algorithm and protocol of each kind of collective, in place of the calibration's "
                       "choice."),
         Field::list(
             "stragglers", [](F & f) -> auto& { return f.experiment.stragglers; }, straggler_table())
             .describe("GPUs slower than the others; engines replay and flow."),
         Field::table(
             "jitter", [](F & f) -> auto& { return f.experiment.jitter; }, jitter_table())
             .describe("Random variation of kernels; engines replay and flow."),
         Field::list(
             "faults", [](F & f) -> auto& { return f.experiment.faults; }, fault_table())
             .describe("Links and GPUs that change during the step; engine flow."),
         Field::table(
             "sharing", [](F & f) -> auto& { return f.experiment.sharing; }, sharing_table())
             .describe("Who goes first where transfers share links; engine flow."),
         Field::table(
             "reliability", [](F & f) -> auto& { return f.experiment.reliability; }, reliability_table())
             .describe("How often parts fail, checkpoints and restarts: what is left of the speed.")}};
}

}  // namespace

std::span<const NamedScheme> sharding_schemes() {
    return kSchemes;
}

const schema::Table<ExperimentFile>& experiment_table() {
    static const schema::Table<ExperimentFile> table = make_experiment_table();
    return table;
}

}  // namespace orrery::study
