#include "study/numeric_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "report/units.hpp"
#include "sim/engine/engine.hpp"
#include "study/numeric/check.hpp"
#include "study/numeric/problem.hpp"
#include "study/plan_search.hpp"
#include "study/shared_inputs.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

constexpr double kSmallEnough = 3e5;     ///< parameters that are computed with as they are
constexpr std::int64_t kFewTokens = 64;  ///< of a sequence
constexpr std::uint64_t kMostTasks = 2'000'000;

// What a large model becomes.
constexpr std::int64_t kHeadSize = 4;
constexpr std::int64_t kWords = 32;
constexpr std::int64_t kTokens = 8;
constexpr std::int64_t kSequences = 2;

/// Collects "hidden 4096 to 32, ..." while it changes sizes.
class Shrinking {
  public:
    void set(std::int64_t& size, std::int64_t small, const char* name) {
        if (size <= small) return;
        text += fmt::format("{}{} {} to {}", text.empty() ? "" : ", ", name, size, small);
        size = small;
    }
    std::string text;
};

/// As few heads as the degrees divide, and two queries to a key where there were several.
void shrink_model(models::TransformerShape& s, std::int64_t tp, Shrinking& shrink) {
    const std::int64_t group = s.heads / s.kv_heads;
    const std::int64_t keys =
        s.kv_heads % tp == 0 ? std::min(s.kv_heads, std::max<std::int64_t>(tp, 2)) : s.kv_heads;
    if (keys % tp == 0) {
        const std::int64_t even = keys / tp * tp;
        shrink.set(s.heads, even * std::min<std::int64_t>(group, 2), "heads");
        s.kv_heads = std::min(s.kv_heads, even);
    }
    s.head_dim = std::min(s.head_dim, kHeadSize);
    shrink.set(s.hidden, s.heads * s.head_dim, "hidden");
    shrink.set(s.ffn_hidden, 2 * s.hidden, "ffn_hidden");
    shrink.set(s.vocab, kWords, "vocab");
}

std::int64_t small_sequence(const parallel::Plan& plan) {
    const std::int64_t step = std::int64_t{1} * plan.parallel.tp * plan.parallel.cp;
    const std::int64_t least = std::max<std::int64_t>(kTokens, 2 * step * plan.slices);
    return (least + step - 1) / step * step;
}

/// The experiment with small tensors; `text` says what was changed.
Experiment made_small(Experiment e, std::string& text) {
    const double parameters = models::build_transformer(e.model).parameters();
    const std::int64_t tokens =
        e.plan.training.seq_length > 0 ? e.plan.training.seq_length : e.model.seq_length;
    if (parameters <= kSmallEnough && tokens <= kFewTokens) return e;
    Shrinking shrink;
    shrink_model(e.model, e.plan.parallel.tp, shrink);
    parallel::Training& t = e.plan.training;
    if (e.plan.slice_lengths.empty()) {
        t.seq_length = tokens;
        shrink.set(t.seq_length, small_sequence(e.plan), "seq_length");
        e.model.seq_length = t.seq_length;
    }
    const std::int64_t micro_batch = t.micro_batch;
    shrink.set(t.micro_batch, kSequences, "micro_batch");
    t.global_batch = t.global_batch / micro_batch * t.micro_batch;
    const double ratio = models::build_transformer(e.model).parameters() / parameters;
    double& bucket = e.plan.parallel.bucket_bytes;
    if (bucket <= 0) bucket = shared_software(e.plan.software)->bucket_bytes;
    bucket *= ratio;
    text = shrink.text;
    return e;
}

bool same_labels(const sim::TaskLabel& a, const sim::TaskLabel& b) {
    return a.phase == b.phase && a.chunk == b.chunk && a.micro_batch == b.micro_batch && a.slice == b.slice &&
           a.layer == b.layer;
}

/// Task for task the same streams, dependencies, operations and labels.
bool same_tasks(const sim::Program& a, const sim::Program& b) {
    const auto same = [](const sim::RankProgram& x, const sim::RankProgram& y) {
        return x.stream == y.stream && x.flags == y.flags && x.communicator_slot == y.communicator_slot &&
               x.sequence == y.sequence && x.dependency_begin == y.dependency_begin &&
               x.dependency == y.dependency && std::ranges::equal(x.label, y.label, same_labels);
    };
    return std::ranges::equal(a.rank_programs, b.rank_programs, same);
}

/// Of the whole program, given the folded one.
void refuse_large(const sim::Program& folded) {
    std::uint64_t tasks = 0;
    std::uint64_t ranks = 0;
    for (std::size_t r = 0; r < folded.ranks.size(); ++r) {
        const std::uint64_t copies = folded.ranks[r].multiplicity;
        tasks += copies * folded.program_of(sim::RankId(r)).size();
        ranks += copies;
    }
    if (tasks <= kMostTasks) return;
    throw ExperimentError(
        fmt::format("{} tasks of {} ranks are too many to compute; take fewer data-parallel ranks, "
                    "micro-batches or layers (--set), or granularity: layer",
                    report::grouped(static_cast<std::int64_t>(tasks)), ranks));
}

std::string recompute_text(parallel::RecomputePolicy policy) {
    switch (policy) {
        case parallel::RecomputePolicy::full:
            return ", full recomputation";
        case parallel::RecomputePolicy::selective:
            return ", selective recomputation";
        case parallel::RecomputePolicy::none:
            break;
    }
    return "";
}

std::string plan_text(const Experiment& e, const schedules::Schedule& schedule) {
    const parallel::Parallelism& p = e.plan.parallel;
    const auto scheme = std::ranges::find(sharding_schemes(), p.sharding, &NamedScheme::sharding);
    return fmt::format("{}: tp {}{}, pp {}{}, dp {}, sharding {}, {} micro-batch{}{}", schedule.name, p.tp,
                       p.sequence_parallel ? " with sequence parallelism" : "", p.pp,
                       p.vpp > 1 ? fmt::format(" of {} chunks", p.vpp) : "", p.dp, scheme->name,
                       schedule.micro_batches, schedule.micro_batches == 1 ? "" : "es",
                       recompute_text(e.plan.training.recompute));
}

report::NumericCheck report_of(const numeric::CheckOutcome& outcome, double tolerance) {
    report::NumericCheck r;
    r.ranks = outcome.ranks;
    r.tasks = outcome.tasks;
    r.orders = outcome.orders;
    r.tolerance = tolerance;
    r.loss = outcome.loss;
    r.reference_loss = outcome.reference_loss;
    r.loss_error = outcome.loss_error;
    r.activation_error = outcome.activation_error;
    r.gradient_error = outcome.gradient_error;
    r.weight_error = outcome.weight_error;
    r.other_volumes = outcome.other_volumes;
    if (outcome.failure) r.failure = {outcome.failure->order, outcome.failure->task, outcome.failure->what};
    return r;
}

}  // namespace

report::NumericCheck check_numerically(const Experiment& given, int random_orders) {
    if (searches_plan(given)) return check_numerically(with_searched_plan(given).experiment, random_orders);
    Experiment whole = given;
    Simulation simulated = simulate(given);
    const numeric::Problem computed(simulated.model, given.plan, *shared_software(given.plan.software),
                                    simulated.schedule);
    refuse_large(simulated.lowered.program);
    if (simulated.lowered.program.ranks.size() < static_cast<std::size_t>(given.plan.parallel.gpus())) {
        whole.fold = false;
        simulated = simulate(whole);
    }

    std::string text;
    const Experiment small = made_small(whole, text);
    const models::Model model = models::build_transformer(small.model);
    const std::shared_ptr<const models::Software> software = shared_software(small.plan.software);
    const bool kernels = small.granularity == Granularity::kernel;
    const parallel::Lowered lowered =
        parallel::lower(model, small.plan, *software, simulated.schedule, {false, kernels, true});
    const bool same = same_tasks(lowered.program, simulated.lowered.program);
    const numeric::CheckOptions options{.random_orders = random_orders};
    report::NumericCheck result = report_of(numeric::check({model, small.plan, *software, simulated.schedule,
                                                            lowered, same ? &simulated.timeline : nullptr},
                                                           options),
                                            options.tolerance);
    result.experiment = given.name;
    result.plan = plan_text(small, simulated.schedule);
    result.made_small = text;
    result.same_tasks = same;
    return result;
}

}  // namespace orrery::study
