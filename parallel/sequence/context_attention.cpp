#include "parallel/sequence/context_attention.hpp"

#include <algorithm>

namespace orrery::parallel {
namespace {

using models::LocalShape;
using models::Operator;
using models::Software;
using sim::CollectiveKind;

/// Heads of a tensor-parallel rank; fewer key and value heads than ranks are held by several.
struct LocalHeads {
    double queries;
    double keys;
};

LocalHeads heads_of(const Operator& op, int tp) {
    return {static_cast<double>(std::max<std::int64_t>(1, op.heads / tp)),
            static_cast<double>(std::max<std::int64_t>(1, op.kv_heads / tp))};
}

class ContextAttention {
  public:
    ContextAttention(const Operator& op, const LocalShape& shape, const Software& software,
                     const Parallelism& plan, bool backward)
        : op_(op), shape_(shape), software_(software), cp_(plan.cp), backward_(backward) {}

    std::vector<Step> ring() {
        const double block = key_value_bytes();
        for (int step = 0; step < cp_; ++step) {
            // Keys and values go on while they are used; gradients follow one step later.
            const bool keys = step + 1 < cp_;
            const bool gradients = backward_ && step > 0;
            const double bytes = block * ((keys ? 1 : 0) + (gradients ? 1 : 0));
            if (bytes > 0) communicate(CollectiveKind::all_to_all_v, bytes, Step::Traffic::ring);
            // The own block is causal; of another one, half is visible: all queries to half of the keys, or
            // half of the queries to all, the same area.
            attention(step == 0 || !op_.causal ? shape_.seq : shape_.seq / 2, step == 0 && op_.causal);
            if (step > 0) merge_partial_result();
            if (bytes > 0) wait();
        }
        return std::move(steps_);
    }

    std::vector<Step> all_gather() {
        communicate(CollectiveKind::all_gather, cp_ * key_value_bytes());
        wait();
        // Two chunks whose queries together see as many keys as all queries seeing half of the sequence.
        attention(op_.causal ? shape_.seq * cp_ / 2 : shape_.seq * cp_, false);
        if (backward_) {
            communicate(CollectiveKind::reduce_scatter, cp_ * key_value_bytes());
            wait();
        }
        return std::move(steps_);
    }

    std::vector<Step> ulysses() {
        const double in = query_key_value_bytes();
        const double out =
            element_tokens() * heads_of(op_, shape_.tp).queries * static_cast<double>(op_.value_dim);
        exchange(backward_ ? out : in);
        Operator whole = op_;
        whole.heads = std::max<std::int64_t>(1, op_.heads / cp_);
        whole.kv_heads = std::max<std::int64_t>(1, op_.kv_heads / cp_);
        LocalShape sequence = shape_;
        sequence.seq = shape_.seq * cp_;
        sequence.keys = sequence.seq;
        emit(whole, sequence);
        exchange(backward_ ? in : out);
        return std::move(steps_);
    }

  private:
    [[nodiscard]] double element_tokens() const { return shape_.element() * shape_.tokens(); }

    /// Of the rank's own tokens.
    [[nodiscard]] double key_value_bytes() const {
        return element_tokens() * heads_of(op_, shape_.tp).keys *
               static_cast<double>(op_.head_dim + op_.value_dim);
    }

    /// What Ulysses exchanges: a key head that several ranks need is sent to each.
    [[nodiscard]] double query_key_value_bytes() const {
        const LocalHeads heads = heads_of(op_, shape_.tp);
        const double keys = std::max(heads.keys, static_cast<double>(cp_));
        return element_tokens() * (heads.queries * static_cast<double>(op_.head_dim) +
                                   keys * static_cast<double>(op_.head_dim + op_.value_dim));
    }

    void attention(std::int64_t keys, bool causal) {
        Operator part = op_;
        part.causal = causal;
        LocalShape here = shape_;
        here.keys = keys;
        emit(part, here);
    }

    void emit(const Operator& op, const LocalShape& shape) {
        std::vector<Kernel> kernels;
        if (backward_) {
            models::emit_backward_input(op, shape, software_, kernels);
        } else {
            models::emit_forward(op, shape, software_, kernels);
        }
        for (const Kernel& kernel : kernels) steps_.push_back({.kernel = kernel});
    }

    /// Partial outputs are rescaled and added (forward); partial gradients are added (backward).
    void merge_partial_result() {
        const LocalHeads heads = heads_of(op_, shape_.tp);
        const double output = element_tokens() * heads.queries * static_cast<double>(op_.value_dim);
        Kernel kernel{.kind = KernelKind::memory_bound, .precision = shape_.precision, .backward = backward_};
        kernel.family = MemoryFamily::elementwise;
        kernel.bytes = 3 * (backward_ ? output + key_value_bytes() : output);
        kernel.host_operations =
            backward_ ? software_.host.per_kernel_backward : software_.host.per_kernel_forward;
        steps_.push_back({.kernel = kernel});
    }

    void exchange(double bytes) {
        communicate(CollectiveKind::all_to_all, bytes);
        wait();
    }

    void communicate(CollectiveKind kind, double bytes, Step::Traffic traffic = Step::Traffic::even) {
        Step step{.kind = Step::Kind::collective};
        step.collective = kind;
        step.bytes = bytes;
        step.traffic = traffic;
        step.role = RoleKind::cp;
        steps_.push_back(step);
    }

    void wait() { steps_.push_back({.kind = Step::Kind::wait}); }

    const Operator& op_;
    const LocalShape& shape_;
    const Software& software_;
    int cp_;
    bool backward_;
    std::vector<Step> steps_;
};

std::vector<Step> by_scheme(ContextAttention attention, ContextScheme scheme) {
    switch (scheme) {
        case ContextScheme::ring:
            return attention.ring();
        case ContextScheme::all_gather:
            return attention.all_gather();
        case ContextScheme::ulysses:
            break;
    }
    return attention.ulysses();
}

}  // namespace

std::vector<Step> context_attention_forward(const Operator& op, const LocalShape& shape,
                                            const Software& software, const Parallelism& plan) {
    return by_scheme(ContextAttention(op, shape, software, plan, false), plan.cp_scheme);
}

std::vector<Step> context_attention_backward(const Operator& op, const LocalShape& shape,
                                             const Software& software, const Parallelism& plan) {
    return by_scheme(ContextAttention(op, shape, software, plan, true), plan.cp_scheme);
}

}  // namespace orrery::parallel
