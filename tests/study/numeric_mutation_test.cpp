// Damaged programs fail the numeric check, and it names the task that shows the damage.
#include <algorithm>
#include <numeric>

#include "numeric_case.hpp"
#include "parallel/overlap.hpp"

namespace orrery::study::numeric {
namespace {

using parallel::DataSharding;
using parallel::Effect;
using parallel::Meaning;
using parallel::Part;
using parallel::Pass;
using parallel::Plan;
using parallel::RecomputePolicy;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// The program passes before it is damaged, and fails so afterwards.
void expect_found(NumericCase one, const std::function<void(parallel::Lowered&)>& damage,
                  const std::string& task, const std::string& what) {
    ASSERT_FALSE(one.checked().failure) << text_of(one.checked());
    damage(one.lowered);
    const CheckOutcome outcome = one.checked(6);
    ASSERT_TRUE(outcome.failure) << "the damage was not found: " << what;
    EXPECT_TRUE(contains(outcome.failure->task, task)) << text_of(outcome);
    EXPECT_TRUE(contains(outcome.failure->what, what)) << text_of(outcome);
}

bool is_part(const Meaning& task, Part part) {
    return task.effect == Effect::layer && !task.parts.empty() && task.parts.front().part == part;
}

Plan overlapped(const char* schedule) {
    Plan plan = plan_of(schedule);
    plan.parallel.overlap_p2p = true;
    return plan;
}

Plan with_tp(bool sequence_parallel) {
    Plan plan = overlapped("1f1b");
    plan.parallel.pp = 2;
    plan.parallel.tp = 2;
    plan.parallel.sequence_parallel = sequence_parallel;
    return plan;
}

Plan with_dp(DataSharding sharding) {
    Plan plan = overlapped("1f1b");
    plan.parallel.pp = 2;
    plan.parallel.dp = 2;
    plan.parallel.sharding = sharding;
    return plan;
}

// --- dependencies ---

TEST(NumericMutation, AForwardThatDoesNotWaitForItsInput) {
    expect_found(
        lowered_case(overlapped("1f1b"), true),
        [](parallel::Lowered& lowered) {
            erase_dependencies(
                lowered, [](const Meaning& task, const Meaning&) { return task.effect == Effect::take_up; });
        },
        "wait for input", "takes up, before it is received, the output of stage");
}

TEST(NumericMutation, ASendThatDoesNotWaitForWhatItSends) {
    expect_found(
        lowered_case(overlapped("zb-h1"), true),
        [](parallel::Lowered& lowered) {
            erase_dependencies(
                lowered, [](const Meaning& task, const Meaning&) { return task.effect == Effect::send; });
        },
        "forward mb 0", "micro-batch 0, which is not there");
}

TEST(NumericMutation, KernelsThatDoNotWaitForASumOverTheRanks) {
    expect_found(
        lowered_case(with_tp(false), false),
        [](parallel::Lowered& lowered) {
            erase_dependencies(lowered, [](const Meaning& task, const Meaning& before) {
                return task.effect == Effect::layer && is_part(before, Part::combine_output);
            });
        },
        "forward mb 0", "not summed over the ranks");
}

TEST(NumericMutation, ASumOverTheRanksThatDoesNotWaitForItsSummands) {
    expect_found(
        lowered_case(with_tp(true), true),
        [](parallel::Lowered& lowered) {
            erase_dependencies(lowered, [](const Meaning& task, const Meaning&) {
                return is_part(task, Part::combine_input_gradient);
            });
        },
        "stream tp", "before the rank's summand is computed");
}

TEST(NumericMutation, AGradientReducedBeforeItIsComplete) {
    expect_found(
        lowered_case(with_dp(DataSharding::none), true),
        [](parallel::Lowered& lowered) {
            erase_dependencies(lowered, [](const Meaning& task, const Meaning&) {
                return task.effect == Effect::reduce_gradients;
            });
        },
        "optimizer", "with a gradient that differs from the reference");
}

TEST(NumericMutation, AnOptimizerThatDoesNotWaitForTheReduction) {
    expect_found(
        lowered_case(with_dp(DataSharding::optimizer), true),
        [](parallel::Lowered& lowered) {
            erase_dependencies(lowered, [](const Meaning&, const Meaning& before) {
                return before.effect == Effect::reduce_gradients;
            });
        },
        "optimizer", "with a gradient that differs from the reference");
}

TEST(NumericMutation, WeightsUsedBeforeTheyAreGathered) {
    for (const DataSharding sharding : {DataSharding::optimizer, DataSharding::full}) {
        expect_found(
            lowered_case(with_dp(sharding), true),
            [](parallel::Lowered& lowered) {
                erase_dependencies(lowered, [](const Meaning&, const Meaning& before) {
                    return before.effect == Effect::gather_weights;
                });
            },
            "forward mb 0", "which are not there (not yet gathered");
    }
}

// --- operations ---

TEST(NumericMutation, AMissingGradientAllReduce) {
    expect_found(
        lowered_case(with_dp(DataSharding::none), false),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) {
                return task.effect == Effect::reduce_gradients;
            });
        },
        "optimizer", "with a gradient that differs from the reference");
}

TEST(NumericMutation, AMissingSumOfTheTiedEmbeddings) {
    expect_found(
        lowered_case(overlapped("gpipe"), false),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) {
                return task.effect == Effect::reduce_table;
            });
        },
        "optimizer", "with a gradient that differs from the reference");
}

TEST(NumericMutation, AMissingSumOfTheNormsGradients) {
    expect_found(
        lowered_case(with_tp(true), true),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) {
                return task.effect == Effect::reduce_partial;
            });
        },
        "optimizer", "updates input_norm of block");
}

TEST(NumericMutation, AMissingGatherOfAnInputForItsWeightGradient) {
    expect_found(
        lowered_case(with_tp(true), true),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) {
                return task.pass != Pass::forward && is_part(task, Part::gather_input);
            });
        },
        "backward mb 0", "computes before the input is gathered");
}

TEST(NumericMutation, AMissingGatherOfUpdatedWeights) {
    Plan plan = with_dp(DataSharding::optimizer);
    plan.parallel.overlap_param_gather = false;
    expect_found(
        lowered_case(plan, true),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) {
                return task.effect == Effect::gather_weights;
            });
        },
        "the end of the step", "are not whole");
}

TEST(NumericMutation, AMissingRecomputation) {
    Plan plan = overlapped("1f1b");
    plan.training.recompute = RecomputePolicy::full;
    expect_found(
        lowered_case(plan, true),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel&) { return task.again; });
        },
        "block backward", "which is not there");
}

TEST(NumericMutation, AMissingMicroBatchOfAWeightGradient) {
    expect_found(
        lowered_case(overlapped("zb-h1"), true),
        [](parallel::Lowered& lowered) {
            erase_tasks(lowered, [](const Meaning& task, const sim::TaskLabel& label) {
                return task.pass == Pass::backward_weight && label.micro_batch == 3 && label.layer == 2;
            });
        },
        "optimizer", "(layer 2) with a gradient that differs from the reference");
}

// --- micro-batches ---

/// Exchanges what two tasks of a rank program mean.
void swap_tasks(parallel::Lowered& lowered, const TaskTest& first, const TaskTest& second) {
    for (std::size_t p = 0; p < lowered.program.rank_programs.size(); ++p) {
        std::vector<Meaning>& tasks = lowered.meanings[p].tasks;
        const std::vector<sim::TaskLabel>& labels = lowered.program.rank_programs[p].label;
        std::size_t a = tasks.size();
        std::size_t b = tasks.size();
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            if (a == tasks.size() && first(tasks[t], labels[t])) a = t;
            if (b == tasks.size() && second(tasks[t], labels[t])) b = t;
        }
        if (a == tasks.size() || b == tasks.size()) continue;
        std::swap(tasks[a], tasks[b]);
        return;
    }
    FAIL() << "no such tasks";
}

TEST(NumericMutation, TwoMicroBatchesSentInTheOtherOrder) {
    const auto sent = [](int micro_batch) {
        return [micro_batch](const Meaning& task, const sim::TaskLabel&) {
            return task.effect == Effect::send && task.handovers.front().micro_batch == micro_batch;
        };
    };
    expect_found(
        lowered_case(overlapped("gpipe"), true),
        [&](parallel::Lowered& lowered) { swap_tasks(lowered, sent(4), sent(5)); }, "send to 1 forward mb 4",
        "sends the output of block (layer 1), micro-batch 5, which is not there");
}

TEST(NumericMutation, AnOutputSentToTheOtherReplica) {
    expect_found(
        lowered_case(with_dp(DataSharding::none), true),
        [&](parallel::Lowered& lowered) {
            sim::Program& program = lowered.program;
            std::vector<sim::CommunicatorId> channels;
            for (std::uint32_t c = 0; c < program.communicators.size(); ++c)
                if (program.communicators[c].name == "pipeline 0->1 activations") channels.emplace_back(c);
            ASSERT_EQ(channels.size(), 2U);
            std::swap(program.communicators[channels[0]()].members[1],
                      program.communicators[channels[1]()].members[1]);
            for (sim::Rank& rank : program.ranks) {
                if (rank.pipeline_device != 1) continue;
                for (sim::CommunicatorId& id : rank.communicators)
                    if (id == channels[0] || id == channels[1])
                        id = id == channels[0] ? channels[1] : channels[0];
            }
        },
        "block forward mb 0",
        "makes an output of block (layer 2), micro-batch 0 that differs from the reference");
}

TEST(NumericMutation, AWeightGradientOfTheWrongMicroBatch) {
    const auto weight = [](int micro_batch) {
        return [micro_batch](const Meaning& task, const sim::TaskLabel&) {
            return task.effect == Effect::layer && task.pass == Pass::backward_weight &&
                   task.micro_batch == micro_batch;
        };
    };
    expect_found(
        lowered_case(overlapped("zb-h1"), true),
        [&](parallel::Lowered& lowered) { swap_tasks(lowered, weight(0), weight(7)); },
        "backward-weight mb 0", "micro-batch 7");
}

// --- memory ---

void sort_memory(sim::RankProgram& tasks, parallel::RankMeaning& meaning) {
    std::vector<std::uint32_t> order(tasks.memory.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return tasks.memory[i].task; });
    tasks.memory = parallel::in_order(tasks.memory, order);
    meaning.freed = parallel::in_order(meaning.freed, order);
}

TEST(NumericMutation, ActivationsGivenBackTooEarly) {
    expect_found(
        lowered_case(overlapped("zb-h1"), true),
        [](parallel::Lowered& lowered) {
            for (std::size_t p = 0; p < lowered.meanings.size(); ++p) {
                sim::RankProgram& tasks = lowered.program.rank_programs[p];
                std::vector<Meaning>& meaning = lowered.meanings[p].tasks;
                for (std::size_t i = 0; i < tasks.memory.size(); ++i) {
                    const parallel::Freed& freed = lowered.meanings[p].freed[i];
                    if (freed.what != parallel::Freed::What::activations || freed.micro_batch != 2) continue;
                    // With the gradient of the input, not with that of the weights.
                    for (std::uint32_t t = 0; t < tasks.size(); ++t)
                        if (meaning[t].pass == Pass::backward_input && meaning[t].micro_batch == 2 &&
                            meaning[t].node == freed.node)
                            tasks.memory[i].task = sim::TaskId(t);
                }
                sort_memory(tasks, lowered.meanings[p]);
            }
        },
        "backward-weight mb 2", "");
}

TEST(NumericMutation, ABufferOfAnotherSizeThanItsPrice) {
    NumericCase one = lowered_case(with_tp(false), true);
    for (sim::Work& work : one.lowered.program.works)
        if (auto* collective = std::get_if<sim::Collective>(&work)) collective->bytes *= 2;
    const CheckOutcome outcome = one.checked();
    EXPECT_FALSE(outcome.failure);
    ASSERT_FALSE(outcome.other_volumes.empty());
    EXPECT_TRUE(contains(outcome.other_volumes.front(), "priced")) << outcome.other_volumes.front();
}

}  // namespace
}  // namespace orrery::study::numeric
