#include "parallel/tensor/megatron.hpp"

#include "parallel/expert/expert_steps.hpp"
#include "parallel/sequence/context_attention.hpp"

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
    StepList(const LocalShape& shape, const Software& software, const Parallelism& plan)
        : shape_(shape), software_(software), plan_(plan) {}

    void kernels(int op, const std::vector<Kernel>& list, Part part) {
        for (const Kernel& k : list) steps.push_back({.kernel = k, .op = op});
        if (!list.empty()) steps.back().part = part;
    }
    void collective(int op, CollectiveKind kind, double bytes, Part part) {
        if (shape_.tp == 1) return;
        Step step{.kind = Step::Kind::collective, .op = op, .part = part};
        step.collective = kind;
        step.bytes = bytes;
        steps.push_back(step);
    }
    void wait(int op) {
        if (shape_.tp > 1) steps.push_back({.kind = Step::Kind::wait, .op = op});
    }
    void blocking(int op, CollectiveKind kind, double bytes, Part part) {
        collective(op, kind, bytes, part);
        wait(op);
    }
    void host(int op, double operations, bool backward) {
        if (operations <= 0) return;
        Kernel k{.kind = KernelKind::host_only, .precision = shape_.precision, .backward = backward};
        k.host_operations = operations;
        steps.push_back({.kernel = k, .op = op});
    }

    void forward(const Layer& layer, int i) {
        const Operator& op = layer.operators[static_cast<std::size_t>(i)];
        if (divides_context(op)) {
            append(i, context_attention_forward(op, shape_, software_, plan_));
            return;
        }
        const double full = shape_.element() * shape_.tokens();
        if (op.kind == OperatorKind::unpermute) append(i, combine_steps(op, shape_, plan_));
        // With sequence parallelism a column (or vocabulary) linear first gathers its input along the
        // sequence.
        const bool gathers = shape_.sequence_parallel && op.kind == OperatorKind::linear &&
                             op.split != Split::row && op.split != Split::replicated;
        if (gathers)
            blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.in_features),
                     Part::gather_input);
        std::vector<Kernel> list;
        models::emit_forward(op, shape_, software_, list);
        kernels(i, list, Part::forward);
        if (op.kind == OperatorKind::permute) append(i, dispatch_steps(op, shape_, plan_));
        const bool row = op.kind == OperatorKind::linear && op.split == Split::row;
        const bool embedding = op.kind == OperatorKind::token_embedding;
        if (row || embedding) {
            blocking(i,
                     shape_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                     full * static_cast<double>(op.out_features), Part::combine_output);
        }
        if (op.kind == OperatorKind::cross_entropy && op.split == Split::vocabulary) {
            // Maximum, target logit and sum of exponentials: three all-reduces of one fp32 number a token.
            for (int n = 0; n < 3; ++n)
                blocking(i, CollectiveKind::all_reduce, 4.0 * shape_.tokens(), Part::combine_loss);
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
            kernels(i, again, Part::forward);
        }
        host(0, software_.host.checkpoint, true);
    }

    void backward(const Layer& layer, int i, Pass pass, bool recompute_attention) {
        const Operator& op = layer.operators[static_cast<std::size_t>(i)];
        const bool input = pass != Pass::backward_weight;
        if (input && op.kind == OperatorKind::permute) append(i, combine_steps(op, shape_, plan_));
        const bool weight = pass != Pass::backward_input;
        const double full = shape_.element() * shape_.tokens();
        const bool linear = op.kind == OperatorKind::linear;
        const bool column = linear && (op.split == Split::column || op.split == Split::vocabulary);
        if (input && shape_.sequence_parallel && linear && op.split == Split::row) {
            blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.out_features),
                     Part::gather_gradient);
        }
        if (input && shape_.sequence_parallel && op.kind == OperatorKind::token_embedding) {
            blocking(i, CollectiveKind::all_gather, full * static_cast<double>(op.out_features),
                     Part::gather_gradient);
        }
        if (input && recompute_attention && op.kind == OperatorKind::core_attention) {
            recompute_core(op, i);
            host(i, software_.host.checkpoint, true);
        }
        if (divides_context(op)) {
            if (input) append(i, context_attention_backward(op, shape_, software_, plan_));
            return;
        }
        // Megatron gathers a divided input again for the weight gradient, beside the input-gradient product.
        if (weight && column && shape_.sequence_parallel) {
            collective(i, CollectiveKind::all_gather, full * static_cast<double>(op.in_features),
                       Part::gather_input);
            if (!input || !software_.overlap_tp_backward) wait(i);
        }
        std::vector<Kernel> list;
        if (input) {
            models::emit_backward_input(op, shape_, software_, list);
            kernels(i, list, Part::input_gradient);
            if (op.kind == OperatorKind::unpermute) append(i, dispatch_steps(op, shape_, plan_));
        }
        if (column && weight && input && shape_.sequence_parallel && software_.overlap_tp_backward) wait(i);
        if (input && column) {
            collective(i,
                       shape_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                       full * static_cast<double>(op.in_features), Part::combine_input_gradient);
            if (!software_.overlap_tp_backward || !weight) wait(i);
        }
        if (weight) {
            list.clear();
            models::emit_backward_weight(op, shape_, software_, list);
            kernels(i, list, Part::weight_gradient);
        }
        if (input && column && weight && software_.overlap_tp_backward) wait(i);
    }

    std::vector<Step> steps;

  private:
    [[nodiscard]] bool divides_context(const Operator& op) const {
        return plan_.cp > 1 && op.kind == OperatorKind::core_attention;
    }

    void recompute_core(const Operator& op, int i) {
        if (divides_context(op)) {
            append(i, context_attention_forward(op, shape_, software_, plan_));
            return;
        }
        std::vector<Kernel> again;
        models::emit_forward(op, shape_, software_, again);
        kernels(i, again, Part::forward);
    }

    void append(int op, std::vector<Step> list) {
        for (Step& step : list) {
            step.op = op;
            steps.push_back(step);
        }
    }

    const LocalShape& shape_;
    const Software& software_;
    const Parallelism& plan_;
};

}  // namespace

std::vector<Step> layer_steps(const Layer& layer, const LocalShape& shape, const Software& software,
                              const Parallelism& plan, Pass pass, bool recompute_attention) {
    StepList list(shape, software, plan);
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
