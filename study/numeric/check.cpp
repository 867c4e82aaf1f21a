#include "study/numeric/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "study/numeric/exchange.hpp"
#include "study/numeric/fault.hpp"
#include "study/numeric/order.hpp"
#include "study/numeric/rank.hpp"

namespace orrery::study::numeric {

using parallel::Effect;
using parallel::Freed;
using parallel::Meaning;
using parallel::RankMeaning;
using parallel::WeightSet;
using sim::RankId;
using sim::TaskId;

namespace {

std::vector<int> nodes_on(const Checked& c, int device) {
    std::set<int> nodes;
    for (const std::vector<int>& placement : c.schedule.placement)
        for (std::size_t stage = 0; stage < placement.size(); ++stage)
            if (placement[stage] == device)
                nodes.insert(c.lowered.stage_layers[stage].begin(), c.lowered.stage_layers[stage].end());
    return {nodes.begin(), nodes.end()};
}

/// One execution of the program.
class Execution {
  public:
    Execution(const Checked& checked, const Problem& problem, const Reference& reference, double tolerance)
        : c_(checked), program_(checked.lowered.program), problem_(problem), tolerance_(tolerance) {
        const parallel::Parallelism& p = c_.plan.parallel;
        for (const sim::Rank& rank : program_.ranks) {
            const auto device = static_cast<int>(rank.device);
            ranks_.emplace_back(problem, reference, tolerance, Share{p.tp, device % p.tp},
                                device / (p.tp * p.cp) % p.dp, nodes_on(c_, rank.pipeline_device));
        }
        for (std::size_t rank = 0; rank < ranks_.size(); ++rank) divide_weights(rank);
        index_memory();
    }

    /// Runs the tasks in the order. Empty: all went well.
    std::optional<CheckFailure> run(OrderRule rule) {
        Order order(program_, c_.timeline, rule);
        std::uint64_t done = 0;
        while (const std::optional<Event> event = order.next()) {
            done += event->sides.size();
            try {
                execute(*event);
            } catch (const Fault& fault) {
                const auto& [rank, task] = event->sides.front();
                return CheckFailure{rule.name(), describe(program_, rank, task), fault.what()};
            }
        }
        if (done < program_.tasks())
            return CheckFailure{
                rule.name(), order.waiting().front(),
                fmt::format("waits for ever, with {} other tasks", order.waiting().size() - 1)};
        return std::nullopt;
    }

    std::optional<CheckFailure> compare_end(const Reference& reference, OrderRule rule) {
        const auto failed = [&](const std::string& what) {
            return CheckFailure{rule.name(), "the end of the step", what};
        };
        std::size_t computed = 0;
        for (Rank& rank : ranks_) {
            if (rank.tensor().rank != 0) continue;
            loss += rank.loss;
            computed += rank.loss_of.size();
        }
        const std::size_t all = static_cast<std::size_t>(c_.plan.parallel.dp) *
                                static_cast<std::size_t>(problem_.micro_batches() * problem_.slices());
        if (computed != all)
            return failed(fmt::format("the loss of {} of {} micro-batches was computed", computed, all));
        loss_error = std::abs(loss - reference.loss) / std::abs(reference.loss);
        if (!(loss_error <= tolerance_))
            return failed(fmt::format("the loss {} differs from the reference's {}", loss, reference.loss));
        for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
            try {
                ranks_[rank].weights.check_updated(tolerance_);
            } catch (const Fault& fault) {
                return failed(
                    fmt::format("rank {} (device {}) {}", rank, program_.ranks[rank].device, fault.what()));
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] const std::vector<Rank>& ranks() const { return ranks_; }
    double loss = 0;
    double loss_error = 0;
    std::vector<std::string> other_volumes;

  private:
    [[nodiscard]] const RankMeaning& meaning_of(std::size_t rank) const {
        return c_.lowered.meanings[program_.ranks[rank].program];
    }
    [[nodiscard]] const sim::RankProgram& tasks_of(std::size_t rank) const {
        return program_.program_of(RankId(rank));
    }
    [[nodiscard]] const sim::Collective* operation(std::size_t rank, std::size_t task) const {
        return std::get_if<sim::Collective>(&program_.works[tasks_of(rank).work[task]()]);
    }

    [[nodiscard]] Share place_in_communicator(std::size_t rank, std::size_t task) const {
        const std::uint32_t slot = tasks_of(rank).communicator_slot[task];
        const auto& members = program_.communicators[program_.ranks[rank].communicators[slot]()].members;
        return {static_cast<int>(members.size()),
                static_cast<int>(std::ranges::find(members, RankId(rank)) - members.begin())};
    }

    /// Who owns which part is what the program's reduce-scatters leave; whether the step begins with whole
    /// weights, where its gathers stand.
    void divide_weights(std::size_t rank) {
        const std::vector<Meaning>& tasks = meaning_of(rank).tasks;
        const bool sharded =
            std::ranges::any_of(tasks, [](const Meaning& task) { return task.effect == Effect::add_shares; });
        HeldWeights& weights = ranks_[rank].weights;
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            const sim::Collective* work = operation(rank, t);
            if (work == nullptr || work->kind != sim::CollectiveKind::reduce_scatter ||
                tasks[t].effect != Effect::reduce_gradients)
                continue;
            for (const WeightSet& set : tasks[t].weights)
                weights.divide(set, place_in_communicator(rank, t), sharded);
        }
        for (const Meaning& task : tasks) {
            if (task.effect == Effect::update) return;
            if (task.effect != Effect::gather_weights) continue;
            for (const WeightSet& set : task.weights) weights.begin_divided(set);
        }
    }

    void index_memory() {
        for (std::size_t program = 0; program < program_.rank_programs.size(); ++program) {
            const sim::RankProgram& tasks = program_.rank_programs[program];
            std::vector<std::vector<const Freed*>>& list = freed_.emplace_back(tasks.size());
            for (std::size_t i = 0; i < tasks.memory.size(); ++i) {
                const Freed& freed = c_.lowered.meanings[program].freed[i];
                if (freed.what != Freed::What::nothing) list[tasks.memory[i].task()].push_back(&freed);
            }
        }
    }

    void execute(const Event& event) {
        const auto& [first_rank, first_task] = event.sides.front();
        if (const sim::Collective* work = operation(first_rank(), first_task())) {
            std::vector<Member> members;
            for (const auto& [rank, task] : event.sides)
                members.push_back({ranks_[rank()], meaning_of(rank()).tasks[task()],
                                   program_.ranks[rank()].pipeline_device});
            compare_volume(*work, exchange(*work, members), first_rank, first_task);
        } else {
            compute(first_rank(), meaning_of(first_rank()).tasks[first_task()]);
        }
        for (const auto& [rank, task] : event.sides) end(rank(), task());
    }

    void compute(std::size_t at, const Meaning& task) {
        Rank& rank = ranks_[at];
        const int device = program_.ranks[at].pipeline_device;
        switch (task.effect) {
            case Effect::layer:
                for (const parallel::OperatorPart& part : task.parts) rank.compute(task, part);
                return;
            case Effect::take_up:
                for (const parallel::Handover& what : task.handovers) rank.take_up(what);
                return;
            case Effect::add_shares:
                for (const WeightSet& set : task.weights)
                    for (const OperatorId id : rank.weights.owners(set)) rank.weights.add_share(id, set);
                return;
            case Effect::update:
                return rank.weights.update(tolerance_);
            case Effect::move_out:
                for (auto& [piece, activations] : rank.move_out(task))
                    rank.kept_for[{device, piece}] = activations;
                return;
            case Effect::move_back:
                return move_back_from_host(rank, device, task);
            default:
                return;
        }
    }

    static void move_back_from_host(Rank& rank, int device, const Meaning& task) {
        std::map<Piece, Activations> moved;
        for (const int node : task.nodes) {
            const Piece at{node, task.micro_batch, task.slice};
            const auto it = rank.kept_for.find({device, at});
            if (it == rank.kept_for.end()) throw Fault("loads activations that are not in the host's memory");
            moved[at] = std::move(it->second);
            rank.kept_for.erase(it);
        }
        rank.move_back(std::move(moved));
    }

    /// What the task's end drops and gives back.
    void end(std::size_t rank, std::size_t task) {
        for (const parallel::Kept& kept : meaning_of(rank).tasks[task].kept) ranks_[rank].drop(kept);
        for (const Freed* freed : freed_[program_.ranks[rank].program][task]) {
            if (freed->what == Freed::What::activations)
                ranks_[rank].release({freed->node, freed->micro_batch, freed->slice});
            for (const WeightSet& set : freed->weights) ranks_[rank].weights.give_back(set);
        }
    }

    void compare_volume(const sim::Collective& work, const Volume& volume, RankId rank, TaskId task) {
        const bool wide =
            c_.plan.training.precision == Precision::fp32 || c_.plan.training.precision == Precision::tf32;
        double element = wide ? 4 : 2;
        if (volume.kind == ElementKind::saved) return;
        if (volume.kind == ElementKind::statistic) element = 4;
        if (volume.kind == ElementKind::gradient && !c_.plan.training.reduce_in_compute_precision)
            element = bytes_of(c_.software.gradient_reduction);
        const double moved = element * volume.elements;
        if (std::abs(moved - work.bytes) <= 1e-9 * work.bytes) return;
        const TaskId at = task;
        const std::string name = program_.names[static_cast<std::size_t>(tasks_of(rank()).label[at()].name)];
        if (!other_names_.insert(name).second) return;
        other_volumes.push_back(fmt::format("{}: priced {:.0f} bytes, its tensors have {:.0f}",
                                            describe(program_, rank, at), work.bytes, moved));
    }

    const Checked& c_;
    const sim::Program& program_;
    const Problem& problem_;
    double tolerance_;
    std::vector<Rank> ranks_;
    std::vector<std::vector<std::vector<const Freed*>>> freed_;  ///< [rank program][task]
    std::set<std::string> other_names_;
};

void take_worst(const Execution& execution, CheckOutcome& outcome) {
    outcome.loss = execution.loss;
    outcome.loss_error = std::max(outcome.loss_error, execution.loss_error);
    for (const Rank& rank : execution.ranks()) {
        outcome.activation_error = std::max(outcome.activation_error, rank.worst_activation);
        outcome.gradient_error = std::max(outcome.gradient_error, rank.weights.worst_gradient);
        outcome.weight_error = std::max(outcome.weight_error, rank.weights.worst_weight);
    }
    outcome.other_volumes = execution.other_volumes;
}

}  // namespace

CheckOutcome check(const Checked& checked, const CheckOptions& options) {
    const Problem problem(checked.model, checked.plan, checked.software, checked.schedule);
    const Reference reference = reference_step(problem, initial_weights(problem));
    CheckOutcome outcome;
    outcome.tasks = checked.lowered.program.tasks();
    outcome.ranks = checked.lowered.program.ranks.size();
    outcome.reference_loss = reference.loss;
    std::vector<OrderRule> rules = {{OrderRule::Kind::simulated}};
    for (const auto kind : {OrderRule::Kind::communication_first, OrderRule::Kind::communication_last})
        for (const bool last_stages_first : {false, true}) rules.push_back({kind, 0, last_stages_first});
    for (int i = 1; i <= options.random_orders; ++i)
        rules.push_back({OrderRule::Kind::random, static_cast<std::uint64_t>(i)});
    for (const OrderRule& rule : rules) {
        outcome.orders.push_back(rule.name());
        Execution execution(checked, problem, reference, options.tolerance);
        outcome.failure = execution.run(rule);
        if (!outcome.failure) outcome.failure = execution.compare_end(reference, rule);
        take_worst(execution, outcome);
        if (outcome.failure) break;
    }
    return outcome;
}

}  // namespace orrery::study::numeric
