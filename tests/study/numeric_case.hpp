// tests/study/numeric_case.hpp
//
// Plans of a tiny GPT and a tiny Llama, lowered with the meaning of their tasks, and ways to damage them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../parallel/random_lowering.hpp"
#include "parallel/pipeline_shape.hpp"
#include "study/numeric/check.hpp"

namespace orrery::study::numeric {

/// Four heads of four; the Llama has two heads of keys and values.
inline models::TransformerShape small_shape(int layers, bool llama) {
    models::TransformerShape shape = parallel::tiny_shape(layers, llama);
    shape.hidden = 16;
    shape.ffn_hidden = 32;
    shape.kv_heads = llama ? 2 : 4;
    shape.head_dim = 4;
    shape.vocab = 32;
    shape.seq_length = 8;
    return shape;
}

struct NumericCase {
    models::Model model;
    parallel::Plan plan;
    models::Software software;
    schedules::Schedule schedule;
    parallel::Lowered lowered;

    [[nodiscard]] CheckOutcome checked(int random_orders = 2) const {
        const sim::Timeline timeline = sim::replay(lowered.program, parallel::simple_costs(lowered.program));
        return check({model, plan, software, schedule, lowered, &timeline}, {.random_orders = random_orders});
    }
};

/// Four stages, eight micro-batches, unless the plan is changed.
inline parallel::Plan plan_of(std::string_view schedule, int chunks = 1) {
    parallel::Plan plan;
    plan.schedule = schedule;
    plan.parallel.pp = 4;
    plan.parallel.vpp = chunks;
    plan.training.global_batch = 8;
    return plan;
}

inline NumericCase lowered_case(const parallel::Plan& plan, const models::TransformerShape& shape,
                                bool kernels = false) {
    NumericCase one{models::build_transformer(shape),
                    plan,
                    models::load_software(plan.software),
                    parallel::make_plan_schedule(plan),
                    {}};
    one.schedule.stage_work.clear();  // the cut is the plan's: even
    one.lowered = parallel::lower(one.model, one.plan, one.software, one.schedule, {false, kernels, true});
    return one;
}

/// A block a stage.
inline NumericCase lowered_case(const parallel::Plan& plan, bool llama, bool kernels = false) {
    return lowered_case(plan, small_shape(plan.parallel.pp * plan.parallel.vpp, llama), kernels);
}

inline std::string text_of(const CheckOutcome& outcome) {
    if (!outcome.failure) return "passed";
    return outcome.failure->order + ": " + outcome.failure->task + " " + outcome.failure->what;
}

inline void expect_equal_to_the_reference(const NumericCase& one, const std::string& what) {
    const CheckOutcome outcome = one.checked();
    EXPECT_FALSE(outcome.failure) << what << ": " << text_of(outcome);
    EXPECT_LT(outcome.loss_error, 1e-12) << what;
    EXPECT_LT(outcome.activation_error, 1e-10) << what;
    EXPECT_LT(outcome.gradient_error, 1e-10) << what;
    EXPECT_LT(outcome.weight_error, 1e-9) << what;
    for (const std::string& one_volume : outcome.other_volumes) ADD_FAILURE() << what << ": " << one_volume;
}

// --- damage ---

using TaskTest = std::function<bool(const parallel::Meaning&, const sim::TaskLabel&)>;

/// Takes the tasks away from every rank; what depended on them depends on nothing instead.
inline void erase_tasks(parallel::Lowered& lowered, const TaskTest& erased) {
    sim::Program& program = lowered.program;
    std::vector<std::vector<std::uint32_t>> operations(program.rank_programs.size());
    for (std::size_t p = 0; p < program.rank_programs.size(); ++p) {
        sim::RankProgram& old = program.rank_programs[p];
        parallel::RankMeaning& meaning = lowered.meanings[p];
        std::vector<std::uint32_t> place(old.size(), sim::kNoCommunicator);
        sim::RankProgram left;
        left.streams = old.streams;
        left.static_bytes = old.static_bytes;
        left.dependency_begin = {0};
        std::vector<parallel::Meaning> tasks;
        for (std::uint32_t t = 0; t < old.size(); ++t) {
            if (erased(meaning.tasks[t], old.label[t])) continue;
            place[t] = static_cast<std::uint32_t>(left.work.size());
            left.stream.push_back(old.stream[t]);
            left.work.push_back(old.work[t]);
            left.flags.push_back(old.flags[t]);
            left.label.push_back(old.label[t]);
            const std::uint32_t slot = old.communicator_slot[t];
            left.communicator_slot.push_back(slot);
            if (slot != sim::kNoCommunicator && slot >= operations[p].size()) operations[p].resize(slot + 1);
            left.sequence.push_back(slot == sim::kNoCommunicator ? 0 : operations[p][slot]++);
            for (const sim::TaskId other : old.dependencies(sim::TaskId(t)))
                if (place[other()] != sim::kNoCommunicator) left.dependency.emplace_back(place[other()]);
            left.dependency_begin.push_back(static_cast<std::uint32_t>(left.dependency.size()));
            tasks.push_back(meaning.tasks[t]);
        }
        std::vector<parallel::Freed> freed;
        for (std::size_t i = 0; i < old.memory.size(); ++i) {
            if (place[old.memory[i].task()] == sim::kNoCommunicator) continue;
            left.memory.push_back(old.memory[i]);
            left.memory.back().task = sim::TaskId(place[old.memory[i].task()]);
            freed.push_back(meaning.freed[i]);
        }
        old = std::move(left);
        meaning = {std::move(tasks), std::move(freed)};
    }
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::Rank& rank = program.ranks[r];
        for (std::size_t slot = 0; slot < rank.communicators.size(); ++slot) {
            const std::vector<std::uint32_t>& left = operations[rank.program];
            program.communicators[rank.communicators[slot]()].operations =
                slot < left.size() ? left[slot] : 0;
        }
    }
    for (std::size_t r = 0; r < program.ranks.size(); ++r)
        program.first_task[r + 1] = program.first_task[r] + program.program_of(sim::RankId(r)).size();
}

/// Drops dependencies: `dropped` sees a task and what it waits for.
inline void erase_dependencies(
    parallel::Lowered& lowered,
    const std::function<bool(const parallel::Meaning& task, const parallel::Meaning& waits_for)>& dropped) {
    for (std::size_t p = 0; p < lowered.program.rank_programs.size(); ++p) {
        sim::RankProgram& tasks = lowered.program.rank_programs[p];
        const std::vector<parallel::Meaning>& meaning = lowered.meanings[p].tasks;
        std::vector<std::uint32_t> begin = {0};
        std::vector<sim::TaskId> left;
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            for (const sim::TaskId other : tasks.dependencies(sim::TaskId(t)))
                if (!dropped(meaning[t], meaning[other()])) left.push_back(other);
            begin.push_back(static_cast<std::uint32_t>(left.size()));
        }
        tasks.dependency_begin = std::move(begin);
        tasks.dependency = std::move(left);
    }
}

}  // namespace orrery::study::numeric
