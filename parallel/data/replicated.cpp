// parallel/data/replicated.cpp
//
// Data parallelism with whole weights on every rank: DDP (Li et al. 2020: gradients all-reduced in buckets as
// they become ready during the last backward) and ZeRO-1 / Megatron's distributed optimizer (Rajbhandari et
// al. 2020: gradients reduce-scattered, each rank updates its part, parameters all-gathered). Gradients of
// earlier micro-batches only accumulate; the collectives belong to the last one. Experts that expert
// parallelism divides are reduced and sharded over the ranks that hold the same ones.
//
// Replicas of a stage. Where a pipeline runs in both directions (Chimera, DualPipe), two pipeline devices
// hold each stage, and the gradient of its weights is the sum over both and over all of their data-parallel
// ranks. Such a stage is a part of its own: its collectives run among all of these ranks, on a stream of its
// own, since the two devices complete their stages in different orders. Tied embeddings are one tensor on a
// device that holds both ends of the model: its gradient is complete with the later of the two, and where it
// has replicas it is a part of its own too.
#include <algorithm>
#include <compare>
#include <map>
#include <utility>
#include <vector>

#include "parallel/data/data_parallel.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;

/// Weights whose gradients are reduced among the same ranks.
struct Part {
    Role role;
    std::vector<std::uint32_t> ranks;
    const char* name = "gradient reduction";
    int channel = 0;  ///< of its dp stream
    double parameters = 0;
    std::vector<WeightSet> weights = {};
    double pending = 0;  ///< parameters whose gradients are complete and not yet reduced
    std::vector<WeightSet> pending_weights = {};
    TaskId last_reduce;
    TaskId gathered;

    [[nodiscard]] double degree() const { return static_cast<double>(ranks.size()); }
};

/// Which part: a stage with replicas, or what no other pipeline device has a copy of; and whether its
/// experts.
struct PartKey {
    int stage = 0;
    bool experts = false;
    auto operator<=>(const PartKey&) const = default;
};

class Replicated : public DataParallel {
  public:
    explicit Replicated(RankContext& context)
        : DataParallel(context),
          apart_(context.experts_apart()),
          zero_(context.plan.parallel.sharding == DataSharding::optimizer) {
        bucket_bytes_ = context.plan.parallel.bucket_bytes > 0 ? context.plan.parallel.bucket_bytes
                                                               : context.software.bucket_bytes;
        find_parts();
    }

    void begin() override {
        TaskId shared;
        for (auto& [key, part] : parts_) {
            hold(part.parameters, 1, 1, zero_ ? part.degree() : 1);
            // Both holders of a stage come to it at different times, but gather its parameters together.
            if (key.stage == kOwn || !gathers_in_forward(part)) continue;
            part.gathered = gather(part, part.parameters, part.weights, label_of_gather(-1, -1), shared);
            if (key.stage == kShared) shared = part.gathered;
        }
    }

    TaskId before_forward(const Moment& moment) override {
        if (!zero_ || !context_.plan.parallel.overlap_param_gather || !moment.first_use || moment.recompute)
            return {};
        // Steady state: the parameters updated at the end of the previous step arrive layer by layer.
        const double experts = expert_part(moment.node);
        const TaskId dense = arrived(moment, false, context_.parameters_of(moment.node) - experts);
        // Both lie on one stream: the later covers the earlier.
        const TaskId of_experts = experts > 0 ? arrived(moment, true, experts) : TaskId{};
        return of_experts ? of_experts : dense;
    }

    void after_backward(const Moment& moment) override {
        if (!moment.last_backward) return;
        const double experts = expert_part(moment.node);
        Part& dense = part_of(moment, false);
        if (shared_ > 0 && is_end(moment.node)) complete_shared(dense, moment.node);
        const bool apart = shared_ > 0 && moment.node == 0;
        dense.pending_weights.push_back(
            {moment.node, apart ? WeightSet::Extent::without_table : WeightSet::Extent::all});
        add(dense, context_.parameters_of(moment.node) - experts);
        if (experts > 0) add(part_of(moment, true), experts);
    }

    void finish() override {
        std::vector<TaskId> reduced;
        double updated = 0;
        for (auto& [key, part] : parts_) {
            reduce(part);
            reduced.push_back(part.last_reduce);
            updated += zero_ ? part.parameters / part.degree() : part.parameters;
        }
        if (const auto own = parts_.find({kOwn, false}); own != parts_.end()) {
            const TaskId tied = tied_embedding_reduce(own->second.last_reduce, 1);
            if (!context_.asynchronous) reduced.push_back(tied);
        }
        reduced.push_back(partial_gradient_reduce(reduced, 1));
        const TaskId done = optimizer_step(updated, reduced);
        for (auto& [key, part] : parts_) {
            if (zero_ && !gathers_in_forward(part))
                gather(part, part.parameters, part.weights, label_of_gather(-1, -1), done);
        }
    }

  private:
    static constexpr int kShared = -2;  ///< the embedding's weights, shared with the head, in replicas
    static constexpr int kOwn = -1;     ///< what no other pipeline device has a copy of

    void find_parts() {
        const RankContext& c = context_;
        for (std::size_t stage = 0; stage < c.stage_layers.size(); ++stage) {
            const std::vector<int>& holders = c.graph.holders(static_cast<int>(stage));
            if (std::find(holders.begin(), holders.end(), c.device) == holders.end()) continue;
            double experts = 0;
            double all = 0;
            for (const int node : c.stage_layers[stage]) {
                all += c.parameters_of(node);
                experts += expert_part(node);
            }
            add_part(static_cast<int>(stage), holders, false, all - experts);
            Part& dense = parts_.at({holders.size() == 1 ? kOwn : static_cast<int>(stage), false});
            for (const int node : c.stage_layers[stage]) dense.weights.push_back({node});
            if (experts > 0) add_part(static_cast<int>(stage), holders, true, experts);
        }
        const bool both_ends = !c.nodes.empty() && c.nodes.front() == 0 && is_end(c.nodes.back());
        if (!c.embedding_is_shared() || !both_ends || c.nodes.size() == 1) return;
        shared_ = models::local_parameters(c.model.types[0].operators[0], c.plan.parallel.tp, c.software);
        if (parts_.contains({kOwn, false})) return;
        parts_.at({0, false}).parameters -= shared_;
        for (WeightSet& set : parts_.at({0, false}).weights)
            if (set.node == 0) set.extent = WeightSet::Extent::without_table;
        Part& shared = parts_[{kShared, false}];
        shared.role = {RoleKind::replica_dp, static_cast<int>(c.stage_layers.size())};
        shared.ranks = c.dp_group_of(c.embedding_holders());
        shared.channel = 1 + static_cast<int>(c.stage_layers.size());
        shared.parameters = shared_;
        shared.weights.push_back({0, WeightSet::Extent::table});
    }

    void add_part(int stage, const std::vector<int>& holders, bool experts, double parameters) {
        const bool own = holders.size() == 1;
        Part& part = parts_[{own ? kOwn : stage, experts}];
        part.parameters += parameters;
        part.ranks = experts ? context_.expert_dp_group_of(holders) : context_.dp_group_of(holders);
        part.channel = own ? 0 : 1 + stage;
        if (experts) part.name = "expert gradient reduction";
        if (own) {
            part.role = {experts ? RoleKind::expert_dp : RoleKind::dp};
        } else {
            part.role = {experts ? RoleKind::replica_expert_dp : RoleKind::replica_dp, stage};
        }
    }

    /// The embedding or the head.
    [[nodiscard]] bool is_end(int node) const {
        return node == 0 || node + 1 == static_cast<int>(context_.model.nodes.size());
    }

    /// The weights that both ends share are complete with the second of them.
    void complete_shared(Part& part, int node) {
        if (node == 0) part.pending -= shared_;
        shared_half_ = !shared_half_;
        if (shared_half_) return;
        const auto apart = parts_.find({kShared, false});
        Part& whole = apart != parts_.end() ? apart->second : part;
        whole.pending += shared_;
        whole.pending_weights.push_back({0, WeightSet::Extent::table});
    }

    Part& part_of(const Moment& moment, bool experts) {
        const auto it = parts_.find({moment.stage, experts});
        return it != parts_.end() ? it->second : parts_.at({kOwn, experts});
    }

    [[nodiscard]] double expert_part(int node) const {
        return apart_ ? context_.expert_parameters_of(node) : 0;
    }
    [[nodiscard]] bool overlaps() const {
        return context_.plan.parallel.overlap_grad_reduce && context_.software.overlap_grad_reduce;
    }
    [[nodiscard]] bool gathers_in_forward(const Part& part) const {
        return zero_ && part.ranks.size() > 1 && context_.plan.parallel.overlap_param_gather;
    }

    TaskLabel label_of_gather(int micro_batch, int node) {
        return context_.label(Phase::parameter_gather, "parameter gather", micro_batch, node);
    }

    /// The gather that brings the node's part of the weights for its first forward.
    TaskId arrived(const Moment& moment, bool experts, double parameters) {
        const Part& part = part_of(moment, experts);
        if (part.gathered) return part.gathered;
        return gather(part, parameters, {{moment.node}}, label_of_gather(moment.micro_batch, moment.node),
                      {});
    }

    TaskId operation(const Part& part, CollectiveKind kind, double bytes, const TaskLabel& label,
                     TaskId after) {
        Collective work{kind, bytes, context_.interner.group(part.ranks), context_.software.host.collective};
        return context_.rank.add_operation(context_.rank.stream(StreamKind::dp, -1, part.channel),
                                           context_.interner.work(work), context_.rank.slot(part.role), label,
                                           {after});
    }

    TaskId gather(const Part& part, double parameters, std::vector<WeightSet> weights, const TaskLabel& label,
                  TaskId after) {
        if (parameters <= 0 || part.ranks.size() == 1) return {};
        const TaskId task =
            operation(part, CollectiveKind::all_gather, context_.element() * parameters, label, after);
        context_.rank.mean({.effect = Effect::gather_weights, .weights = std::move(weights)});
        return task;
    }

    void add(Part& part, double parameters) {
        part.pending += parameters;
        const double bytes = part.pending * context_.reduction_element();
        if (overlaps() && bucket_bytes_ > 0 && bytes >= bucket_bytes_) reduce(part);
    }

    void reduce(Part& part) {
        const double bytes = part.pending * context_.reduction_element();
        part.pending = 0;
        std::vector<WeightSet> weights = std::exchange(part.pending_weights, {});
        if (bytes <= 0 || part.ranks.size() == 1) return;
        part.last_reduce =
            operation(part, zero_ ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, bytes,
                      context_.label(Phase::gradient_reduce, part.name), context_.last_compute);
        context_.rank.mean({.effect = Effect::reduce_gradients, .weights = std::move(weights)});
    }

    bool apart_;
    bool zero_;
    double bucket_bytes_ = 0;
    double shared_ = 0;         ///< parameters that embedding and head share on this device
    bool shared_half_ = false;  ///< one of the two has completed its gradient
    std::map<PartKey, Part> parts_;
};

}  // namespace

std::unique_ptr<DataParallel> make_replicated(RankContext& context) {
    return std::make_unique<Replicated>(context);
}

}  // namespace orrery::parallel
