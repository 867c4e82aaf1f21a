#include "study/division_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "parallel/expert/expert_groups.hpp"

namespace orrery::study {
namespace {

using models::ExpertShape;
using parallel::ContextScheme;
using parallel::ExpertPlan;
using parallel::Gating;
using parallel::Parallelism;

[[noreturn]] void fail(const Experiment& experiment, const std::string& key, const std::string& message) {
    throw InputError(experiment.where(key), key, message);
}

/// "1, 2, 4": the divisors of n up to `most`.
std::string divisors(std::int64_t n, std::int64_t most) {
    std::vector<std::int64_t> all;
    for (std::int64_t d = 1; d <= std::min<std::int64_t>({n, most, 4096}); ++d) {
        if (n % d == 0) all.push_back(d);
    }
    return fmt::format("{}", fmt::join(all, ", "));
}

void check_ulysses(const Experiment& experiment) {
    const Parallelism& p = experiment.plan.parallel;
    const std::int64_t heads = experiment.model.heads / p.tp;
    if (heads % p.cp != 0) {
        fail(
            experiment, "parallel.cp",
            fmt::format("ulysses: cp {} does not divide the {} heads of a tensor-parallel rank; expected one "
                        "of {}, or another cp_scheme",
                        p.cp, heads, divisors(heads, heads)));
    }
    const std::int64_t kv = std::max<std::int64_t>(1, experiment.model.kv_heads / p.tp);
    if (kv % p.cp != 0 && p.cp % kv != 0) {
        fail(experiment, "parallel.cp",
             fmt::format("ulysses: cp {} and the {} key and value heads of a tensor-parallel rank: neither "
                         "divides the other",
                         p.cp, kv));
    }
}

void check_expert_degrees(const Experiment& experiment) {
    const Parallelism& p = experiment.plan.parallel;
    const std::int64_t ranks = std::int64_t{1} * p.tp * p.cp * p.dp;
    if (p.tp % p.expert_tp() != 0) {
        fail(experiment, "parallel.etp",
             fmt::format("{} does not divide tp {}; expected one of {}", p.etp, p.tp, divisors(p.tp, p.tp)));
    }
    const std::int64_t places = ranks / p.expert_tp();
    if (places % p.ep != 0) {
        fail(experiment, "parallel.ep",
             fmt::format("ep {} does not divide the {} ranks of tp {} x cp {} x dp {} / etp {}; expected one "
                         "of {}",
                         p.ep, places, p.tp, p.cp, p.dp, p.expert_tp(), divisors(places, places)));
    }
    const std::int64_t slots = experiment.model.experts.count + experiment.plan.experts.replicas;
    if (slots % p.ep != 0) {
        fail(experiment, "parallel.ep",
             fmt::format("ep {} does not divide the {} experts{}; expected one of {}", p.ep, slots,
                         experiment.plan.experts.replicas > 0 ? " (replicas included)" : "",
                         divisors(slots, slots)));
    }
    const std::int64_t ffn = experiment.model.experts.ffn_hidden;
    if (ffn % p.expert_tp() != 0) {
        fail(experiment, "parallel.etp",
             fmt::format("{} does not divide the experts' feed-forward size {}; expected one of {}",
                         p.expert_tp(), ffn, divisors(ffn, p.tp)));
    }
    // The copies of a token are divided over tensor-parallel ranks only where its tokens are (Megatron-Core
    // demands the same).
    if (p.tp > 1 && !p.sequence_parallel) {
        fail(experiment, "parallel.sequence_parallel",
             "false: experts under tensor parallelism need their tokens divided; expected true, or tp: 1");
    }
    const bool fully = p.sharding == parallel::DataSharding::gradients ||
                       p.sharding == parallel::DataSharding::full ||
                       p.sharding == parallel::DataSharding::hybrid;
    if (fully && (p.ep > 1 || p.expert_tp() != p.tp)) {
        fail(experiment, "parallel.sharding",
             "experts divided by ep are not sharded further yet; expected none or zero-1");
    }
}

void check_gating(const Experiment& experiment) {
    const ExpertPlan& plan = experiment.plan.experts;
    const ExpertShape& experts = experiment.model.experts;
    if (plan.gating == Gating::measured) {
        if (plan.histogram.empty())
            fail(experiment, "moe.histogram", "is missing; measured routing needs it");
        if (static_cast<std::int64_t>(plan.histogram.size()) != experts.count) {
            fail(experiment, "moe.histogram",
                 fmt::format("has {} rows; the model has {} experts", plan.histogram.size(), experts.count));
        }
        const auto chosen = std::ranges::count_if(plan.histogram, [](double tokens) { return tokens > 0; });
        const std::int64_t groups = experts.groups;
        if (groups == 1 && chosen < experts.top_k) {
            fail(experiment, "moe.histogram",
                 fmt::format("only {} experts have tokens; a token visits {}", chosen, experts.top_k));
        }
        if (groups > 1 && chosen < experts.count) {
            fail(experiment, "moe.histogram", "every expert needs tokens where the routing is by groups");
        }
    } else if (!plan.histogram.empty()) {
        fail(experiment, "moe.histogram", "has a meaning only with routing: measured");
    }
    const bool ranked = plan.gating == Gating::zipf || plan.gating == Gating::measured;
    if (plan.correlation > 0 && !ranked) {
        fail(experiment, "moe.correlation", "has a meaning only with routing: zipf or measured");
    }
    if (plan.drift > 0 && !ranked) {
        fail(experiment, "moe.drift", "has a meaning only with routing: zipf or measured");
    }
    if (plan.overflow == parallel::Overflow::pad &&
        plan.capacity_factor.value_or(experts.capacity_factor) <= 0) {
        fail(experiment, "moe.overflow", "pad: there is no capacity to fill; expected a capacity_factor");
    }
}

void check_placement(const Experiment& experiment) {
    const ExpertPlan& plan = experiment.plan.experts;
    if (plan.placement.empty()) return;
    const std::int64_t count = experiment.model.experts.count;
    const std::int64_t slots = count + plan.replicas;
    if (static_cast<std::int64_t>(plan.placement.size()) != slots) {
        fail(experiment, "moe.placement",
             fmt::format("has {} slots; expected {}: {} experts and {} replicas", plan.placement.size(),
                         slots, count, plan.replicas));
    }
    for (std::int64_t expert = 0; expert < count; ++expert) {
        if (std::ranges::find(plan.placement, static_cast<int>(expert)) == plan.placement.end()) {
            fail(experiment, "moe.placement", fmt::format("expert {} has no slot", expert));
        }
    }
    for (const int expert : plan.placement) {
        if (expert >= 0 && expert < count) continue;
        fail(experiment, "moe.placement",
             fmt::format("there is no expert {}; expected 0 to {}", expert, count - 1));
    }
}

}  // namespace

void check_context(const Experiment& experiment) {
    const Parallelism& p = experiment.plan.parallel;
    if (experiment.model.encoder_layers > 0) {
        if (p.cp > 1)
            fail(experiment, "parallel.cp", "an encoder-decoder is not divided by context; expected 1");
        if (p.pp > 1)
            fail(experiment, "parallel.pp", "an encoder-decoder is not divided into stages; expected 1");
    }
    if (p.cp == 1) return;
    if (experiment.plan.slices > 1) {
        fail(experiment, "parallel.cp", "sequences in slices are not divided by context too; expected 1");
    }
    const std::int64_t length = experiment.plan.training.seq_length;
    // The causal mask is balanced by giving each rank an early and a late chunk.
    const std::int64_t parts = p.cp_scheme == ContextScheme::ulysses ? p.cp : 2 * p.cp;
    if (length % parts != 0) {
        fail(
            experiment, "parallel.cp",
            fmt::format("{} parts (cp {}{}) do not divide a sequence of {} tokens; expected a divisor", parts,
                        p.cp, p.cp_scheme == ContextScheme::ulysses ? "" : ", two chunks a rank", length));
    }
    if (p.cp_scheme == ContextScheme::ulysses) check_ulysses(experiment);
}

void check_experts(const Experiment& experiment) {
    const Parallelism& p = experiment.plan.parallel;
    if (experiment.model.experts.count == 0) {
        const std::string none = fmt::format("{} has no experts", experiment.model.name);
        if (p.ep > 1) fail(experiment, "parallel.ep", none + "; expected 1");
        if (p.etp > 0) fail(experiment, "parallel.etp", none);
        if (experiment.document.find("moe") != nullptr) fail(experiment, "moe", none);
        return;
    }
    check_expert_degrees(experiment);
    check_gating(experiment);
    check_placement(experiment);
}

}  // namespace orrery::study
