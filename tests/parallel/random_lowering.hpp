// tests/parallel/random_lowering.hpp
//
// Tiny models under every registered schedule, with plans drawn at random, and prices simple enough to check
// by hand.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "models/software.hpp"
#include "parallel/lower.hpp"
#include "schedules/schedule.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

inline int pick(std::mt19937& random, int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
}

struct Case {
    models::Model model;
    Plan plan;
    models::Software software;
    schedules::Schedule schedule;
    std::string text;

    [[nodiscard]] Lowered lowered(bool fold, bool kernels) const {
        return lower(model, plan, software, schedule, {fold, kernels});
    }
};

/// Every stage holds the same number of blocks.
inline models::TransformerShape tiny_shape(int layers, bool llama) {
    models::TransformerShape shape;
    shape.name = "tiny";
    shape.layers = layers;
    shape.hidden = 64;
    shape.ffn_hidden = 256;
    shape.heads = shape.kv_heads = 4;
    shape.head_dim = 16;
    shape.vocab = 128;
    shape.seq_length = 32;
    if (llama) {
        shape.family = "llama";
        shape.position = models::PositionKind::rotary;
        shape.norm = models::NormKind::rms_norm;
        shape.activation = models::ActivationKind::swiglu;
        shape.bias = shape.tied_embeddings = false;
        shape.dropout = 0;
    }
    return shape;
}

/// A plan whose pipeline alone is drawn: one GPU a stage, nothing recomputed, transfers beside compute.
inline Plan bare_plan(std::mt19937& random, const schedules::ScheduleEntry& entry) {
    Plan plan;
    plan.schedule = entry.name;
    plan.parallel.overlap_p2p = true;
    plan.parallel.pp = pick(random, 1, 6);
    plan.parallel.vpp = pick(random, 0, 2) > 0 ? entry.default_chunks : pick(random, 1, 3);
    plan.slices = pick(random, 0, 1) == 0 ? 1 : pick(random, 2, 4);
    plan.training.global_batch =
        pick(random, 0, 1) == 0 ? pick(random, 1, 12) : plan.parallel.pp * pick(random, 1, 4);
    if (entry.name == "chimera" && pick(random, 0, 1) == 0)
        plan.schedule_variant = plan.slices == 2 ? "halving" : "doubling";
    return plan;
}

/// The other dimensions too.
inline void draw_other_dimensions(std::mt19937& random, Plan& plan) {
    Parallelism& p = plan.parallel;
    p.tp = pick(random, 0, 2) == 0 ? 2 : 1;
    p.dp = pick(random, 0, 2) == 0 ? 2 : 1;
    p.sequence_parallel = p.tp > 1 && pick(random, 0, 1) == 0;
    p.overlap_p2p = pick(random, 0, 1) == 0;
    p.overlap_grad_reduce = pick(random, 0, 1) == 0;
    p.bucket_bytes = pick(random, 0, 1) == 0 ? 1e5 : 0;
    const DataSharding schemes[] = {DataSharding::none, DataSharding::optimizer, DataSharding::full,
                                    DataSharding::gradients};
    if (p.dp > 1) p.sharding = schemes[pick(random, 0, 3)];
    plan.training.global_batch *= p.dp;
    plan.training.recompute = static_cast<RecomputePolicy>(pick(random, 0, 2));
    const char* software[] = {"megatron-core", "megatron-lm-2021", "megatron-deepspeed", "torchtitan"};
    plan.software = software[pick(random, 0, 3)];
}

inline std::string text_of(const Plan& plan, const models::Model& model) {
    const Parallelism& p = plan.parallel;
    return fmt::format(
        "{} {} pp={} vpp={} m={} q={} tp={} dp={} sp={} sharding={} overlap_p2p={} recompute={} {} {} "
        "layers={}",
        plan.schedule, plan.schedule_variant, p.pp, p.vpp, plan.training.micro_batches(p), plan.slices, p.tp,
        p.dp, p.sequence_parallel, static_cast<int>(p.sharding), p.overlap_p2p,
        static_cast<int>(plan.training.recompute), plan.software, model.shape.family, model.shape.layers);
}

/// One direction of a bidirectional pipeline has no work: lowering refuses that.
inline bool has_idle_replica(const schedules::Schedule& schedule) {
    std::set<int> used;
    for (const auto& order : schedule.orders)
        for (const schedules::Action& action : order) used.insert(action.direction);
    return used.size() < schedule.placement.size();
}

/// A legal case of the schedule, or none of this draw. `bare`: see bare_plan.
inline std::optional<Case> draw_case(std::mt19937& random, const schedules::ScheduleEntry& entry, bool bare) {
    Case one;
    one.plan = bare_plan(random, entry);
    if (!bare) draw_other_dimensions(random, one.plan);
    const int stages = one.plan.parallel.pp * one.plan.parallel.vpp;
    one.model = models::build_transformer(tiny_shape(stages * pick(random, 1, 2), pick(random, 0, 1) == 0));
    one.software = models::load_software(one.plan.software);
    one.text = text_of(one.plan, one.model);
    try {
        one.schedule = make_plan_schedule(one.plan);
    } catch (const InputError&) {
        return std::nullopt;  // not a legal shape for this schedule
    }
    if (has_idle_replica(one.schedule)) return std::nullopt;
    // The cut and what is recomputed are the plan's: here the cut is even, and nothing is.
    one.schedule.stage_work.clear();
    one.schedule.stage_recomputed.clear();
    one.schedule.stage_evicted.clear();
    const bool sharded = one.plan.parallel.sharding != DataSharding::none &&
                         one.plan.parallel.sharding != DataSharding::optimizer;
    if (!one.schedule.synchronous && sharded) return std::nullopt;
    return one;
}

/// Calls visit(case) for so many legal cases of every registered schedule that lowers onto a chain.
template <class Visit>
void for_every_schedule(unsigned seed, int cases, bool bare, Visit visit) {
    std::mt19937 random(seed);
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        int legal = 0;
        for (int attempt = 0; attempt < 4000 && legal < cases; ++attempt) {
            const std::optional<Case> one = draw_case(random, entry, bare);
            if (!one) continue;
            ++legal;
            visit(*one);
            if (testing::Test::HasFailure()) return;
        }
        ASSERT_EQ(legal, cases) << entry.name << " accepts hardly any shape";
    }
}

/// Times of one pass over a block, all else is free.
struct PassTimes {
    double forward = 1;
    double input = 1;
    double weight = 1;

    [[nodiscard]] double of(sim::Phase phase) const {
        switch (phase) {
            case sim::Phase::forward:
            case sim::Phase::recompute:
                return forward;
            case sim::Phase::backward:
                return input + weight;
            case sim::Phase::backward_input:
                return input;
            case sim::Phase::backward_weight:
                return weight;
            default:
                return 0;
        }
    }
};

inline bool is_compute(const sim::RankProgram& tasks, std::size_t task) {
    return tasks.streams[tasks.stream[task]()].kind == sim::StreamKind::compute;
}

/// Launches something on the device.
inline bool has_kernels(const sim::Work& work) {
    const auto* sequence = std::get_if<sim::KernelSequence>(&work);
    return sequence != nullptr &&
           std::any_of(sequence->kernels.begin(), sequence->kernels.end(),
                       [](const Kernel& k) { return k.kind != KernelKind::host_only; });
}

inline bool is_block_pass(const models::Model& model, const sim::RankProgram& tasks, std::size_t task) {
    const sim::TaskLabel& label = tasks.label[task];
    return is_compute(tasks, task) && label.layer >= 0 && label.micro_batch >= 0 &&
           model.layer(label.layer).kind == models::LayerKind::block;
}

inline sim::WorkCosts block_costs(const sim::Program& program, const models::Model& model,
                                  const PassTimes& times) {
    sim::WorkCosts costs(program.works.size());
    for (const sim::RankProgram& tasks : program.rank_programs) {
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            if (!is_block_pass(model, tasks, task) || !has_kernels(program.works[tasks.work[task]()]))
                continue;
            const double time = times.of(tasks.label[task].phase);
            costs[tasks.work[task]()] = {time, 0, time};
        }
    }
    return costs;
}

/// Kernels by their FLOPs and bytes, communication by its bytes, host operations one microsecond each.
inline sim::WorkCosts simple_costs(const sim::Program& program) {
    sim::WorkCosts costs;
    for (const sim::Work& work : program.works) {
        if (const auto* sequence = std::get_if<sim::KernelSequence>(&work)) {
            std::vector<sim::KernelTime> times;
            for (const Kernel& k : sequence->kernels)
                times.push_back({1e-6 * k.host_operations, 1e-12 * k.flops + 1e-9 * k.bytes});
            costs.push_back(sim::sequence_cost(times));
        } else if (const auto* collective = std::get_if<sim::Collective>(&work)) {
            const double time = 2e-6 + 1e-10 * collective->bytes;
            const double launch = 1e-6 * collective->host_operations;
            costs.push_back({time, launch, launch + time});
        } else {
            const double time = 1e-6 + 1e-10 * std::get<sim::Copy>(work).bytes;
            costs.push_back({time, 0, time});
        }
    }
    return costs;
}

/// Folded and whole take the same time and the same memory.
inline void expect_same_step(const Lowered& folded, const Lowered& whole, const std::string& text) {
    const sim::Timeline a = sim::replay(folded.program, simple_costs(folded.program));
    const sim::Timeline b = sim::replay(whole.program, simple_costs(whole.program));
    EXPECT_EQ(a.makespan(), b.makespan()) << text;
    EXPECT_EQ(sim::measure_memory(folded.program, a).peak_bytes,
              sim::measure_memory(whole.program, b).peak_bytes)
        << text;
}

}  // namespace orrery::parallel
