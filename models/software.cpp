#include "models/software.hpp"

#include <filesystem>

#include "core/data_path.hpp"
#include "core/schema.hpp"
#include "core/yaml.hpp"

namespace orrery::models {
namespace {

const schema::Table<HostWork>& host_table() {
    using Field = schema::Field<HostWork>;
    static const schema::Table<HostWork> table{
        "host",
        "What the host does, counted in framework operators (the calibration knows their time).",
        {Field::number("per_kernel_forward", &HostWork::per_kernel_forward)
             .at_least(0)
             .describe("Operators per kernel launched in forward."),
         Field::number("per_kernel_backward", &HostWork::per_kernel_backward)
             .at_least(0)
             .describe("Operators per kernel launched in backward."),
         Field::number("views_per_linear", &HostWork::views_per_linear)
             .at_least(0)
             .describe("Views, splits and transposes around a linear layer."),
         Field::number("module_forward", &HostWork::module_forward)
             .at_least(0)
             .describe("Python's own work per layer forward."),
         Field::number("module_backward", &HostWork::module_backward)
             .at_least(0)
             .describe("The autograd engine's own work per layer backward."),
         Field::number("checkpoint", &HostWork::checkpoint)
             .at_least(0)
             .describe("Per recomputed unit: random state saved and restored, graph re-entered."),
         Field::number("rng_fork", &HostWork::rng_fork)
             .at_least(0)
             .describe("Per dropout inside a random-state fork."),
         Field::number("collective", &HostWork::collective)
             .at_least(0)
             .describe("Collective calls per collective."),
         Field::number("p2p", &HostWork::p2p)
             .at_least(0)
             .describe("Send or receive calls per pipeline transfer."),
         Field::number("micro_batch", &HostWork::micro_batch)
             .at_least(0)
             .describe("Data loading, masks and loss bookkeeping per micro-batch."),
         Field::number("step", &HostWork::step).at_least(0).describe("Per optimizer step.")}};
    return table;
}

const std::vector<std::pair<std::string, Precision>>& precisions() {
    static const std::vector<std::pair<std::string, Precision>> names{
        {"fp32", Precision::fp32}, {"fp16", Precision::fp16}, {"bf16", Precision::bf16}};
    return names;
}

const schema::Table<Software>& software_table() {
    using Field = schema::Field<Software>;
    using A = AttentionImplementation;
    static const schema::Table<Software> table{
        "software",
        "How a training framework turns operators into kernels, and what its host does around them.",
        {Field::text("name", &Software::name).required().describe("Name, as experiments refer to it."),
         Field::text("description", &Software::description).required().describe("One line."),
         Field::text("source", &Software::source).required().describe("Where the facts below come from."),
         Field::choice("attention", &Software::attention,
                       {{"unfused", A::unfused},
                        {"flash1", A::flash1},
                        {"flash2", A::flash2},
                        {"flash3", A::flash3},
                        {"cudnn", A::cudnn},
                        {"triton", A::triton}})
             .describe("Attention implementation."),
         Field::boolean("fused_softmax", &Software::fused_softmax)
             .describe("Scale, mask and softmax in one kernel."),
         Field::boolean("fused_bias_gelu", &Software::fused_bias_gelu)
             .describe("Bias and activation in one kernel."),
         Field::boolean("fused_bias_dropout_add", &Software::fused_bias_dropout_add)
             .describe("Bias, dropout and residual in one kernel."),
         Field::boolean("fused_norm", &Software::fused_norm).describe("One kernel a norm."),
         Field::choice("cross_entropy", &Software::cross_entropy,
                       {{"vocab_parallel", CrossEntropy::vocab_parallel},
                        {"torch", CrossEntropy::torch},
                        {"fused", CrossEntropy::fused}})
             .describe("How the loss is computed: Megatron's kernels, torch's, or one pass each way."),
         Field::boolean("logits_in_fp32", &Software::logits_in_fp32)
             .describe("cross_entropy: torch casts the logits to fp32 first."),
         Field::integer("loss_metrics", &Software::loss_metrics)
             .at_least(0)
             .describe("Cross entropies computed besides, for metrics, without gradients."),
         Field::boolean("norm_in_fp32", &Software::norm_in_fp32)
             .describe("An unfused norm casts to fp32 and back."),
         Field::boolean("rotary_in_fp32", &Software::rotary_in_fp32)
             .describe("Rotary positions as complex products in fp32."),
         Field::boolean("repeats_kv", &Software::repeats_kv)
             .describe("Keys and values are copied to every query head of their group."),
         Field::boolean("packed_qkv", &Software::packed_qkv)
             .describe("Queries, keys and values come of one product."),
         Field::boolean("compiled", &Software::compiled).describe("Elementwise chains fused by a compiler."),
         Field::choice("selective_recompute", &Software::selective,
                       {{"core_attention", SelectivePolicy::core_attention},
                        {"alternate_matmuls", SelectivePolicy::alternate_matmuls}})
             .describe("What recompute: selective means here."),
         Field::boolean("transposed_activations", &Software::transposed_activations)
             .describe("Context and logits are copied between layouts."),
         Field::integer("vocab_multiple", &Software::vocab_multiple)
             .at_least(0)
             .describe("The vocabulary is padded to a multiple of this times tp; 0: what tp leaves over is "
                       "dropped."),
         Field::boolean("accumulates_gradients", &Software::accumulates_gradients)
             .describe("Weight gradients add into a buffer kept across micro-batches."),
         Field::boolean("fused_weight_gradient_accumulation", &Software::fused_weight_gradient_accumulation)
             .describe("Weight gradients add into the main gradient inside the GEMM."),
         Field::choice("gradient_accumulation", &Software::gradient_accumulation, precisions())
             .describe("Precision of the gradient buffer."),
         Field::choice("gradient_reduction", &Software::gradient_reduction, precisions())
             .describe("Precision that the data-parallel collective moves."),
         Field::number("optimizer_bytes_per_parameter", &Software::optimizer_bytes_per_parameter)
             .at_least(0)
             .unit("bytes")
             .describe("Device memory traffic of one step per parameter a rank updates."),
         Field::integer("optimizer_kernels", &Software::optimizer_kernels)
             .at_least(0)
             .describe("Launches of one step."),
         Field::boolean("unit_copy_out", &Software::unit_copy_out)
             .describe("FSDP copies each gathered buffer into its parameters."),
         Field::choice("unit_gradients", &Software::unit_gradients,
                       {{"none", UnitGradients::none},
                        {"concatenate", UnitGradients::concatenate},
                        {"cast", UnitGradients::cast}})
             .describe("FSDP copies a unit's gradients into one buffer, in their own or the reduction's "
                       "precision."),
         Field::boolean("gradient_predivide", &Software::gradient_predivide)
             .describe("FSDP divides the gradients in a pass of its own before reducing them."),
         Field::number("bucket_bytes", &Software::bucket_bytes)
             .at_least(0)
             .unit("bytes")
             .describe("Gradient bucket; 0: one collective."),
         Field::boolean("overlap_grad_reduce", &Software::overlap_grad_reduce)
             .describe("Gradient collectives run beside backward."),
         Field::boolean("overlap_tp_backward", &Software::overlap_tp_backward)
             .describe("Input-gradient collective beside the weight-gradient GEMM."),
         Field::boolean("scatter_gather_p2p", &Software::scatter_gather_p2p)
             .describe("Tensor-parallel ranks send a share each and gather it."),
         Field::boolean("tp_host_sync", &Software::tp_host_sync)
             .describe("The host waits for each tensor-parallel collective."),
         Field::boolean("p2p_host_sync", &Software::p2p_host_sync)
             .describe("The host waits for each pipeline transfer."),
         Field::boolean("optimizer_host_sync", &Software::optimizer_host_sync)
             .describe("The host reads the gradient norm before the step."),
         Field::table("host", &Software::host, host_table()).describe("Host work.")}};
    return table;
}

}  // namespace

std::vector<std::string> software_names() {
    return data_names("models/software");
}

Software load_software(const std::string& name_or_path) {
    return schema::read(software_table(), yaml::read(data_file("models/software", name_or_path, "software")));
}

}  // namespace orrery::models
