// parallel/data/replicated.cpp
//
// Data parallelism with whole weights on every rank: DDP (Li et al. 2020: gradients all-reduced in buckets as
// they become ready during the last backward) and ZeRO-1 / Megatron's distributed optimizer (Rajbhandari et
// al. 2020: gradients reduce-scattered, each rank updates its part, parameters all-gathered). Gradients of
// earlier micro-batches only accumulate; the collectives belong to the last one.
#include <map>

#include "parallel/data/data_parallel.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;

class Replicated : public DataParallel {
  public:
    explicit Replicated(RankContext& context)
        : DataParallel(context),
          degree_(context.plan.parallel.dp * context.plan.parallel.cp),
          zero_(context.plan.parallel.sharding == DataSharding::optimizer) {
        bucket_bytes_ = context.plan.parallel.bucket_bytes > 0 ? context.plan.parallel.bucket_bytes
                                                               : context.software.bucket_bytes;
    }

    void begin() override { hold(context_.device_parameters(), 1, 1, zero_ ? degree_ : 1); }

    TaskId before_forward(const Moment& moment) override {
        if (!gathers_in_forward() || !moment.first_use || moment.recompute) return {};
        // Steady state: the parameters updated at the end of the previous step arrive layer by layer.
        const double bytes = context_.shape.element() * context_.parameters_of(moment.node);
        return context_.collective(
            StreamKind::dp, {RoleKind::dp}, CollectiveKind::all_gather, bytes, context_.dp_group(),
            context_.label(Phase::parameter_gather, "parameter gather", moment.micro_batch, moment.node), {});
    }

    void after_backward(const Moment& moment) override {
        if (!moment.last_backward) return;
        pending_ += context_.parameters_of(moment.node);
        const double bytes = pending_ * context_.reduction_element();
        if (overlaps() && bucket_bytes_ > 0 && bytes >= bucket_bytes_) reduce();
    }

    void finish() override {
        if (pending_ > 0) reduce();
        last_reduce_ = tied_embedding_reduce(last_reduce_);
        const double parameters = context_.device_parameters();
        const TaskId updated = optimizer_step(zero_ ? parameters / degree_ : parameters, last_reduce_);
        if (zero_ && degree_ > 1 && !gathers_in_forward()) {
            context_.collective(StreamKind::dp, {RoleKind::dp}, CollectiveKind::all_gather,
                                context_.shape.element() * parameters, context_.dp_group(),
                                context_.label(Phase::parameter_gather, "parameter gather"), updated);
        }
    }

  private:
    [[nodiscard]] bool overlaps() const {
        return context_.plan.parallel.overlap_grad_reduce && context_.software.overlap_grad_reduce;
    }
    [[nodiscard]] bool gathers_in_forward() const {
        return zero_ && degree_ > 1 && context_.plan.parallel.overlap_param_gather;
    }

    void reduce() {
        const double bytes = pending_ * context_.reduction_element();
        pending_ = 0;
        if (degree_ == 1) return;
        last_reduce_ = context_.collective(
            StreamKind::dp, {RoleKind::dp},
            zero_ ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, bytes, context_.dp_group(),
            context_.label(Phase::gradient_reduce, "gradient reduction"), context_.last_compute);
    }

    int degree_;
    bool zero_;
    double bucket_bytes_ = 0;
    double pending_ = 0;  ///< parameters whose gradients are complete and not yet reduced
    TaskId last_reduce_;
};

}  // namespace

std::unique_ptr<DataParallel> make_replicated(RankContext& context) {
    return std::make_unique<Replicated>(context);
}

}  // namespace orrery::parallel
