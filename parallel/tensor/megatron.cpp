#include "parallel/tensor/megatron.hpp"

namespace orrery::parallel {
namespace {

using models::Layer;
using models::LocalShape;
using models::Operator;
using models::OperatorKind;
using models::Software;
using models::Split;
using sim::CollectiveKind;

class StepList {
  public:
    StepList(const LocalShape& shape, const Software& software) : shape_(shape), software_(software) {}

    void kernels(int op, const std::vector<Kernel>& list) {
        for (const Kernel& k : list) steps.push_back({.kind = Step::Kind::kernel, .kernel = k, .op = op});
    }
    void collective(int op, CollectiveKind kind, double bytes) {
        if (shape_.tp == 1) return;
        steps.push_back(
            {.kind = Step::Kind::collective, .kernel = {}, .collective = kind, .bytes = bytes, .op = op});
    }
    void wait(int op) {
        if (shape_.tp > 1) steps.push_back({.kind = Step::Kind::wait, .kernel = {}, .op = op});
    }
    void blocking(int op, CollectiveKind kind, double bytes) {
        collective(op, kind, bytes);
        wait(op);
    }
    void host(int op, double operations, bool backward) {
        if (operations <= 0) return;
        Kernel k{.kind = KernelKind::host_only, .precision = shape_.precision, .backward = backward};
        k.host_operations = operations;
        steps.push_back({.kind = Step::Kind::kernel, .kernel = k, .op = op});
    }

    void forward(const Layer& layer, int i) {
        const Operator& op = layer.operators[static_cast<std::size_t>(i)];
        const double full = shape_.element() * shape_.tokens();
        // With sequence parallelism a column (or vocabulary) linear first gathers its input along the
        // sequence.
        const bool gathers = shape_.sequence_parallel && op.kind == OperatorKind::linear &&
                             op.split != Split::row && op.split != Split::replicated;
        if (gathers) blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.in_features));
        std::vector<Kernel> list;
        models::emit_forward(op, shape_, software_, list);
        kernels(i, list);
        const bool row = op.kind == OperatorKind::linear && op.split == Split::row;
        const bool embedding = op.kind == OperatorKind::token_embedding;
        if (row || embedding) {
            blocking(i,
                     shape_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                     full * static_cast<double>(op.out_features));
        }
        if (op.kind == OperatorKind::cross_entropy && op.split == Split::vocabulary) {
            // Maximum, target logit and sum of exponentials: three all-reduces of one fp32 number a token.
            for (int n = 0; n < 3; ++n) blocking(i, CollectiveKind::all_reduce, 4.0 * shape_.tokens());
        }
    }

    /// torchtitan's per-operator policy: before the backward, everything but the attention and every other
    /// product again.
    void recompute_alternate(const Layer& layer) {
        if (layer.kind != models::LayerKind::block) return;
        int products = 0;
        for (int i = 0; i < static_cast<int>(layer.operators.size()); ++i) {
            const Operator& op = layer.operators[static_cast<std::size_t>(i)];
            if (op.kind == OperatorKind::core_attention) continue;
            if (op.kind == OperatorKind::linear && products++ % 2 == 0) continue;
            std::vector<Kernel> again;
            models::emit_forward(op, shape_, software_, again);
            kernels(i, again);
        }
        host(0, software_.host.checkpoint, true);
    }

    void backward(const Layer& layer, int i, Pass pass, bool recompute_attention) {
        const Operator& op = layer.operators[static_cast<std::size_t>(i)];
        const bool input = pass != Pass::backward_weight;
        const bool weight = pass != Pass::backward_input;
        const double full = shape_.element() * shape_.tokens();
        const bool linear = op.kind == OperatorKind::linear;
        const bool column = linear && (op.split == Split::column || op.split == Split::vocabulary);
        if (input && shape_.sequence_parallel && linear && op.split == Split::row) {
            blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.out_features));
        }
        if (input && shape_.sequence_parallel && op.kind == OperatorKind::token_embedding) {
            blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.out_features));
        }
        if (input && recompute_attention && op.kind == OperatorKind::core_attention) {
            std::vector<Kernel> again;
            models::emit_forward(op, shape_, software_, again);
            kernels(i, again);
            host(i, software_.host.checkpoint, true);
        }
        // Megatron gathers a divided input again for the weight gradient, beside the input-gradient product.
        if (weight && column && shape_.sequence_parallel) {
            collective(i, CollectiveKind::all_gather, full * static_cast<double>(op.in_features));
            if (!input || !software_.overlap_tp_backward) wait(i);
        }
        std::vector<Kernel> list;
        if (input) {
            models::emit_backward_input(op, shape_, software_, list);
            kernels(i, list);
        }
        if (column && weight && input && shape_.sequence_parallel && software_.overlap_tp_backward) wait(i);
        if (input && column) {
            collective(i,
                       shape_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                       full * static_cast<double>(op.in_features));
            if (!software_.overlap_tp_backward || !weight) wait(i);
        }
        if (weight) {
            list.clear();
            models::emit_backward_weight(op, shape_, software_, list);
            kernels(i, list);
        }
        if (input && column && weight && software_.overlap_tp_backward) wait(i);
    }

    std::vector<Step> steps;

  private:
    const LocalShape& shape_;
    const Software& software_;
};

}  // namespace

std::vector<Step> layer_steps(const Layer& layer, const LocalShape& shape, const Software& software,
                              Pass pass, bool recompute_attention) {
    StepList list(shape, software);
    const int count = static_cast<int>(layer.operators.size());
    if (pass == Pass::forward) {
        for (int i = 0; i < count; ++i) list.forward(layer, i);
        list.host(count - 1, software.host.module_forward, false);
    } else {
        const bool alternate =
            recompute_attention && software.selective == models::SelectivePolicy::alternate_matmuls;
        if (alternate && pass != Pass::backward_weight) list.recompute_alternate(layer);
        for (int i = count - 1; i >= 0; --i) list.backward(layer, i, pass, recompute_attention && !alternate);
        if (pass != Pass::backward_weight) list.host(0, software.host.module_backward, true);
    }
    return std::move(list.steps);
}

}  // namespace orrery::parallel
