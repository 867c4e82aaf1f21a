// parallel/data/fully_sharded.cpp
//
// Fully sharded data parallelism: ZeRO-3 (Rajbhandari et al. 2020) as PyTorch FSDP runs it (Zhao et al.
// 2023). A unit is one block; what of a stage is no block (the embedding, the head and the final norm) forms
// a root unit, gathered first and kept to the end of the stage's backward. Where a device holds both ends of
// the model and they share the embedding's weights, both are one unit. Every micro-batch gathers a block
// before its forward, frees it after (full sharding), gathers it again before its backward, and
// reduce-scatters its gradient after. Gathers run ahead by `prefetch` units; gathers and reductions share one
// stream, as one communicator does. Copies between a unit's one buffer and its parameters or gradients run
// where the software has them (models/software.hpp).
//   gradients (SHARD_GRAD_OP): blocks stay gathered from forward to backward.
//   hybrid: gathers and reduce-scatters inside groups of `sharding_group`, then an all-reduce across the
//   groups.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "parallel/data/data_parallel.hpp"

namespace orrery::parallel {
namespace {

using namespace sim;

class FullySharded : public DataParallel {
  public:
    explicit FullySharded(RankContext& context)
        : DataParallel(context),
          sharding_(context.plan.parallel.sharding),
          hybrid_(sharding_ == DataSharding::hybrid),
          inner_(hybrid_ ? context.dp_inner_group() : context.dp_group()) {}

    void begin() override {
        const double shards = static_cast<double>(inner_.size());
        hold(context_.device_parameters(), shards, shards, shards);
        find_roots();
        // FSDP keeps fp32 shards and casts them: the weight itself is only the gathered copy.
        auto& held = context_.rank.program.static_bytes;
        held[static_cast<std::size_t>(MemoryKind::parameters)] = 0;
    }

    TaskId before_forward(const Moment& moment) override {
        return unpacked(gathered(moment, false), moment, Phase::forward);
    }

    void after_forward(const Moment& moment) override {
        if (moment.recompute || is_root(moment.node)) return;
        if (sharding_ != DataSharding::gradients) free(moment.node);
        finished();
    }

    TaskId before_backward(const Moment& moment) override {
        const TaskId own = gathered(moment, true);
        // The next units' gathers are issued before this unit's reduction, which shares their stream.
        for (int ahead = 1; ahead <= context_.plan.parallel.prefetch; ++ahead) {
            Moment next = moment;
            next.node = moment.node - ahead;
            const bool here =
                std::find(context_.nodes.begin(), context_.nodes.end(), next.node) != context_.nodes.end();
            if (here && !is_root(next.node)) gathered(next, true);
        }
        return unpacked(own, moment, Phase::backward);
    }

    void after_backward(const Moment& moment) override {
        const WeightSet complete{moment.node, WeightSet::Extent::all, moment.micro_batch, moment.slice};
        if (is_root(moment.node)) {
            after_root_backward(moment, complete);
            return;
        }
        free(moment.node);
        finished();
        reduce(context_.parameters_of(moment.node), moment, "gradient reduction", {complete});
    }

    void finish() override {
        while (!resident_.empty()) free(resident_.begin()->first);
        for (Root& root : roots_) free_root(root);
        const double shards = static_cast<double>(inner_.size());
        std::vector<TaskId> reduced = {last_reduce_};
        add_replicas(shards, reduced);
        const bool tied_elsewhere = reduced.size() == 1;
        if (tied_elsewhere) reduced.push_back(tied_embedding_reduce(last_reduce_, shards));
        reduced.push_back(partial_gradient_reduce(reduced, shards));
        optimizer_step(context_.device_parameters() / shards, reduced);
    }

  private:
    /// What of a stage is no block, as one unit.
    struct Root {
        std::vector<int> nodes;
        double parameters = 0;
        TaskId gathered;
        std::vector<WeightSet> gradients;  ///< complete and not yet reduced
    };
    /// Its number among units: blocks have their nodes'.
    [[nodiscard]] int unit_of(const Root& root) const { return -1 - static_cast<int>(&root - roots_.data()); }

    /// Stages that another pipeline device holds too: the sum of both devices' gradients, shard by shard.
    void add_replicas(double shards, std::vector<TaskId>& reduced) {
        RankContext& c = context_;
        for (std::size_t stage = 0; stage < c.stage_layers.size(); ++stage) {
            const std::vector<int>& holders = c.graph.holders(static_cast<int>(stage));
            const bool here = std::find(holders.begin(), holders.end(), c.device) != holders.end();
            if (holders.size() < 2 || !here) continue;
            double parameters = 0;
            for (const int node : c.stage_layers[stage]) parameters += c.parameters_of(node);
            reduced.push_back(c.collective(
                StreamKind::dp, {RoleKind::replica, static_cast<int>(stage)}, CollectiveKind::all_reduce,
                c.reduction_element() * parameters / shards, c.counterparts(holders),
                c.label(Phase::gradient_reduce, "gradients of replicas"), last_reduce_, c.last_compute));
            c.rank.mean({.effect = Effect::reduce_gradients, .weights = weights_of(c.stage_layers[stage])});
        }
    }

    [[nodiscard]] bool is_root(int node) const {
        return context_.model.layer(node).kind != models::LayerKind::block;
    }

    void find_roots() {
        const RankContext& c = context_;
        for (std::size_t stage = 0; stage < c.stage_layers.size(); ++stage) {
            const std::vector<int>& holders = c.graph.holders(static_cast<int>(stage));
            const bool here = std::find(holders.begin(), holders.end(), c.device) != holders.end();
            if (!here) continue;
            std::vector<int> nodes;
            for (const int node : c.stage_layers[stage])
                if (is_root(node)) nodes.push_back(node);
            if (nodes.empty()) continue;
            // What the table's two uses compute with is gathered together.
            const bool joined =
                !roots_.empty() && roots_.front().nodes.front() == 0 && c.embedding_is_shared();
            if (!joined) roots_.emplace_back();
            Root& root = joined ? roots_.front() : roots_.back();
            root_of_[static_cast<int>(stage)] = joined ? 0 : roots_.size() - 1;
            for (const int node : nodes) root.parameters += c.parameters_of(node);
            root.nodes.insert(root.nodes.end(), nodes.begin(), nodes.end());
        }
    }

    Root& root_of(const Moment& moment) { return roots_[root_of_.at(moment.stage)]; }

    /// Once all of the stage's part of the root has its gradient, that is reduced and the root given back.
    void after_root_backward(const Moment& moment, const WeightSet& complete) {
        const RankContext& c = context_;
        Root& root = root_of(moment);
        const std::vector<int>& stage = c.stage_layers[static_cast<std::size_t>(moment.stage)];
        root.gradients.push_back(complete);
        if (moment.node != *std::find_if(stage.begin(), stage.end(), [this](int n) { return is_root(n); }))
            return;
        double parameters = 0;
        for (const int node : stage)
            if (is_root(node)) parameters += c.parameters_of(node);
        // The head's gradient of the table, where the embedding is another stage of this device.
        if (c.embedding_is_shared() && root.nodes.front() == 0 && stage.front() != 0) {
            parameters +=
                models::local_parameters(c.model.types[0].operators[0], c.plan.parallel.tp, c.software);
            root.gradients.push_back({0, WeightSet::Extent::table, moment.micro_batch, moment.slice});
        }
        reduce(parameters, moment, "root gradient reduction", std::exchange(root.gradients, {}));
        free_root(root);
    }

    /// The gather that the node's compute needs, issued now unless it is already resident.
    TaskId gathered(const Moment& moment, bool backward) {
        if (is_root(moment.node)) {
            Root& root = root_of(moment);
            if (!root.gathered)
                root.gathered = gather(root.parameters, weights_of(root.nodes), moment, backward);
            return root.gathered;
        }
        const auto it = resident_.find(moment.node);
        if (it != resident_.end()) return it->second;
        return resident_[moment.node] =
                   gather(context_.parameters_of(moment.node), {{moment.node}}, moment, backward);
    }

    static std::vector<WeightSet> weights_of(const std::vector<int>& nodes) {
        std::vector<WeightSet> sets;
        for (const int node : nodes) sets.push_back({node});
        return sets;
    }

    /// The gathered buffer copied into the unit's parameters, on the compute stream, where the software does
    /// so.
    TaskId unpacked(TaskId gather, const Moment& moment, Phase phase) {
        RankContext& c = context_;
        const int unit = is_root(moment.node) ? unit_of(root_of(moment)) : moment.node;
        if (!gather || !c.software.unit_copy_out || !unpacked_.insert(unit).second) return gather;
        const double parameters = unit < 0 ? root_of(moment).parameters : c.parameters_of(moment.node);
        c.compute({pass_over(MemoryFamily::elementwise, 2.0 * c.element() * parameters,
                             c.software.host.per_kernel_forward)},
                  c.label(phase, "copy out gathered", moment.micro_batch, moment.node),
                  std::span(&gather, 1));
        return gather;
    }

    /// The unit's gradients copied into the buffer that is reduced, on the compute stream.
    void pack(double parameters, const Moment& moment) {
        RankContext& c = context_;
        const models::UnitGradients how = c.software.unit_gradients;
        if (how == models::UnitGradients::none) return;
        const double out = how == models::UnitGradients::cast ? c.reduction_element() : c.element();
        c.compute({pass_over(MemoryFamily::elementwise, (c.element() + out) * parameters,
                             c.software.host.per_kernel_backward, true)},
                  c.label(Phase::backward, "copy gradients", moment.micro_batch, moment.node));
    }

    TaskId gather(double parameters, std::vector<WeightSet> weights, const Moment& moment, bool backward) {
        if (inner_.size() == 1) return {};
        RankContext& c = context_;
        const double shard = parameters / static_cast<double>(inner_.size());
        const double element = c.element();
        // At most 1 + prefetch units in flight: wait until the unit before those has been freed.
        const std::size_t ahead = 1 + static_cast<std::size_t>(std::max(0, c.plan.parallel.prefetch));
        const TaskId limit = done_.size() >= ahead ? done_[done_.size() - ahead] : TaskId{};
        const TaskLabel label =
            c.label(Phase::parameter_gather, backward ? "gather for backward" : "gather for forward",
                    moment.micro_batch, moment.node);
        // The fp32 shard is cast to the compute precision first, on the gather's own stream.
        const StreamId stream = c.rank.stream(StreamKind::dp);
        const TaskId cast = c.rank.add(
            stream,
            c.interner.work(KernelSequence{{pass_over(MemoryFamily::elementwise, (4 + element) * shard,
                                                      c.software.host.per_kernel_forward)}}),
            label, {limit});
        const TaskId task = c.collective(StreamKind::dp, role(), CollectiveKind::all_gather,
                                         element * parameters, inner_, label, cast);
        c.rank.mean({.effect = Effect::gather_weights, .weights = std::move(weights)});
        c.rank.memory(cast, MemoryKind::parameters, element * parameters);
        return task;
    }

    void reduce(double parameters, const Moment& moment, const std::string& name,
                const std::vector<WeightSet>& weights) {
        RankContext& c = context_;
        if (inner_.size() == 1 && !hybrid_) return;
        const double element = c.reduction_element();
        const TaskLabel label = c.label(Phase::gradient_reduce, name, moment.micro_batch, moment.node);
        const StreamId stream = c.rank.stream(StreamKind::dp);
        pack(parameters, moment);
        TaskId task = c.last_compute;
        const bool cast = c.software.unit_gradients == models::UnitGradients::cast;
        if (element > c.element() && !cast) {
            task = c.rank.add(stream,
                              c.interner.work(KernelSequence{
                                  {pass_over(MemoryFamily::elementwise, (c.element() + element) * parameters,
                                             c.software.host.per_kernel_backward, true)}}),
                              label, {task});
        }
        if (c.software.gradient_predivide) {
            task = c.rank.add(
                stream,
                c.interner.work(KernelSequence{{pass_over(MemoryFamily::elementwise, 2 * element * parameters,
                                                          c.software.host.per_kernel_backward, true)}}),
                label, {task});
        }
        c.rank.memory(task, MemoryKind::gradients, element * parameters);
        task = c.collective(StreamKind::dp, role(), CollectiveKind::reduce_scatter, element * parameters,
                            inner_, label, task);
        c.rank.mean({.effect = Effect::reduce_gradients, .weights = weights});
        if (hybrid_) {
            task = c.collective(StreamKind::dp, {RoleKind::dp_outer}, CollectiveKind::all_reduce,
                                element * parameters / static_cast<double>(inner_.size()), c.dp_outer_group(),
                                label, task);
            c.rank.mean({.effect = Effect::reduce_shares, .weights = weights});
        }
        // The shard is added to the fp32 gradient of earlier micro-batches.
        const double shard = parameters / static_cast<double>(inner_.size());
        last_reduce_ = c.rank.add(
            stream,
            c.interner.work(KernelSequence{{pass_over(MemoryFamily::elementwise, (element + 8) * shard,
                                                      c.software.host.per_kernel_backward, true)}}),
            label, {task});
        c.rank.mean({.effect = Effect::add_shares, .weights = weights});
        c.rank.memory(last_reduce_, MemoryKind::gradients, -element * parameters);
    }

    /// The unit's compute has ended with the task added last: a later gather may take its place.
    void finished() { done_.push_back(context_.last_compute); }

    void free(int node) {
        unpacked_.erase(node);
        if (resident_.erase(node) == 0 || inner_.size() == 1) return;
        context_.rank.memory(context_.last_compute, MemoryKind::parameters,
                             -context_.element() * context_.parameters_of(node),
                             {.what = Freed::What::weights, .weights = {{node}}});
    }

    void free_root(Root& root) {
        if (!root.gathered) return;
        root.gathered = {};
        unpacked_.erase(unit_of(root));
        context_.rank.memory(context_.last_compute, MemoryKind::parameters,
                             -context_.element() * root.parameters,
                             {.what = Freed::What::weights, .weights = weights_of(root.nodes)});
    }

    [[nodiscard]] Role role() const { return {hybrid_ ? RoleKind::dp_inner : RoleKind::dp}; }

    DataSharding sharding_;
    bool hybrid_;
    std::vector<std::uint32_t> inner_;
    std::vector<Root> roots_;
    std::map<int, std::size_t> root_of_;  ///< [stage with a part of one]
    std::map<int, TaskId> resident_;      ///< node -> its gather
    std::set<int> unpacked_;              ///< units copied out since they were gathered: nodes, roots below 0
    std::deque<TaskId> done_;             ///< last compute task of each unit, in order
    TaskId last_reduce_;
};

}  // namespace

std::unique_ptr<DataParallel> make_fully_sharded(RankContext& context) {
    return std::make_unique<FullySharded>(context);
}

}  // namespace orrery::parallel
