#include "study/experiment_table.hpp"

#include <array>

#include "models/zoo.hpp"

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

schema::Table<ClusterChoice> make_cluster_table() {
    using Field = schema::Field<ClusterChoice>;
    using C = ClusterChoice;
    return {"cluster",
            "What it runs on.",
            {Field::text("node", &C::node).required().describe("A node of topologies/zoo, or a path."),
             Field::integer("nodes", &C::nodes)
                 .at_least(1)
                 .at_most(kMostGpus)
                 .otherwise("as many as hold `gpus`, or 1")
                 .describe("How many nodes."),
             Field::integer("gpus", &C::gpus)
                 .at_least(1)
                 .at_most(kMostGpus)
                 .otherwise("all of the nodes'")
                 .describe("How many GPUs, equally many on each node."),
             Field::text("fabric", &C::fabric)
                 .otherwise("the node's own")
                 .describe("The fabric between nodes: a name in topologies/zoo/fabrics, or a path."),
             Field::integer("nics", &C::nics)
                 .at_least(0)
                 .at_most(1024)
                 .otherwise("the node's")
                 .describe("NICs per node."),
             Field::number("nic_bandwidth", &C::nic_bandwidth)
                 .above(0)
                 .unit("bytes/s")
                 .otherwise("the node's")
                 .describe("Bandwidth of a NIC, each direction."),
             Field::number("nic_latency_s", &C::nic_latency_s)
                 .at_least(0)
                 .at_most(1)
                 .unit("s")
                 .otherwise("the node's")
                 .describe("From GPU memory to the wire and back: one end."),
             Field::number("gpu_link_bandwidth", &C::gpu_link_bandwidth)
                 .above(0)
                 .unit("bytes/s")
                 .otherwise("the node's")
                 .describe("NVLink (or PCIe) bandwidth of a GPU, each direction."),
             Field::number("gpu_link_latency_s", &C::gpu_link_latency_s)
                 .at_least(0)
                 .at_most(1)
                 .unit("s")
                 .otherwise("the node's")
                 .describe("Latency of that link."),
             Field::number("gpu_memory_bytes", &C::gpu_memory_bytes)
                 .above(0)
                 .unit("bytes")
                 .otherwise("the GPU's")
                 .describe("Memory of a GPU."),
             Field::text("collectives", &C::collectives)
                 .otherwise("the node's")
                 .describe("How collectives run: a name in calibrations/collectives, or ideal."),
             Field::number("oversubscription", &C::oversubscription)
                 .at_least(1)
                 .at_most(1e6)
                 .otherwise("the fabric's")
                 .describe("Bandwidth into a leaf switch over bandwidth out of it.")},
            "node"};
}

schema::Table<ParallelChoice> make_parallel_table() {
    using Field = schema::Field<ParallelChoice>;
    using P = ParallelChoice;
    std::vector<std::pair<std::string, parallel::DataSharding>> schemes;
    for (const NamedScheme& scheme : kSchemes) schemes.emplace_back(scheme.name, scheme.sharding);
    return {"parallel",
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
                 .describe("Expert-parallel degree."),
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
             Field::boolean(
                 "overlap_p2p", [](P & p) -> auto& { return p.degrees.overlap_p2p; })
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
                 .describe("zero-3, fsdp, hsdp: units gathered ahead.")}};
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
                 .describe("A named variant of the schedule.")},
            "name"};
}

schema::Table<RecomputeChoice> make_recompute_table() {
    using Field = schema::Field<RecomputeChoice>;
    using parallel::RecomputeMethod;
    using parallel::RecomputePolicy;
    return {"recompute",
            "Which activations are computed again in backward.",
            {Field::choice("policy", &RecomputeChoice::policy,
                           {{"none", RecomputePolicy::none},
                            {"selective", RecomputePolicy::selective},
                            {"full", RecomputePolicy::full}})
                 .describe("none; selective: the attention core; full: whole layers."),
             Field::choice("method", &RecomputeChoice::method,
                           {{"uniform", RecomputeMethod::uniform}, {"block", RecomputeMethod::block}})
                 .describe("full: uniform units over all layers, or a block of layers per stage."),
             Field::integer("layers", &RecomputeChoice::layers)
                 .at_least(1)
                 .at_most(1e5)
                 .describe("uniform: layers per unit; block: recomputed layers per stage.")},
            "policy"};
}

schema::Table<TrainingChoice> make_training_table() {
    using Field = schema::Field<TrainingChoice>;
    using T = TrainingChoice;
    static const schema::Table<RecomputeChoice> recompute = make_recompute_table();
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
                 .describe("Which activations are computed again in backward.")}};
}

schema::Table<ExperimentFile> make_experiment_table() {
    using Field = schema::Field<ExperimentFile>;
    using F = ExperimentFile;
    static const auto cluster = make_cluster_table();
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
         Field::custom(
             "model", models::transformer_value_shape(),
             [](F& f, const yaml::Node& node, const schema::FieldInfo& field, const schema::Scope& scope) {
                 models::read_transformer(f.experiment.model, node, field.key, scope);
             })
             .required()
             .describe("A name in models/zoo, a path, or the map itself."),
         Field::table("cluster", &F::cluster, cluster).required().describe("What it runs on."),
         Field::table("parallel", &F::parallel, parallel).describe("How the model lies on the GPUs."),
         Field::table("schedule", &F::schedule, schedule).describe("A schedule's name, or a map."),
         Field::table("training", &F::training, training).required().describe("One optimizer step."),
         Field::text(
             "software", [](F & f) -> auto& { return f.experiment.plan.software; })
             .describe("The framework: how operators become kernels, and what the host pays for them."),
         Field::text(
             "calibration", [](F & f) -> auto& { return f.experiment.calibration; })
             .otherwise("that of the GPU")
             .describe("How long kernels take: a name in calibrations, or a path."),
         Field::choice("engine", [](F & f) -> auto& { return f.experiment.engine; },
                       {{"replay", EngineKind::replay}, {"simgrid", EngineKind::simgrid}})
             .describe("What moves the program through time."),
         Field::choice("granularity", [](F & f) -> auto& { return f.experiment.granularity; },
                       {{"kernel", Granularity::kernel}, {"layer", Granularity::layer}})
             .describe("What one task is."),
         Field::boolean(
             "fold", [](F & f) -> auto& { return f.experiment.fold; })
             .describe("Simulate ranks that do the same work once.")}};
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
