// tests/schedules/partition_test.cpp
//
// The searches over partitions and what is kept, moved or recomputed, against exhaustive enumeration.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "core/error.hpp"
#include "schedules/adapipe.hpp"
#include "schedules/evaluate.hpp"
#include "schedules/mcap.hpp"
#include "schedules/mpress.hpp"

namespace orrery::schedules {
namespace {

std::vector<LayerCost> random_layers(int count, std::mt19937& random) {
    std::uniform_real_distribution<double> value(0.5, 3);
    std::vector<LayerCost> layers(static_cast<std::size_t>(count));
    for (LayerCost& layer : layers) {
        layer.forward = value(random);
        layer.backward = value(random) + value(random);
        layer.state_bytes = value(random);
        const double bytes = value(random);
        layer.choices = {{.kept_bytes = bytes},
                         {.kept_bytes = 0.4 * bytes, .extra_time = 0.3 * value(random)},
                         {.kept_bytes = 0.1 * bytes, .extra_time = layer.forward}};
    }
    return layers;
}

/// Calls visit(first layers of the stages, with the end behind them) for every cut.
void for_each_cut(int layers, int stages, const std::function<void(const std::vector<int>&)>& visit) {
    for (unsigned mask = 0; mask < 1U << (layers - 1); ++mask) {
        std::vector<int> cut{0};
        for (int layer = 1; layer < layers; ++layer)
            if ((mask >> (layer - 1) & 1U) != 0) cut.push_back(layer);
        cut.push_back(layers);
        if (static_cast<int>(cut.size()) == stages + 1) visit(cut);
    }
}

/// Calls visit(choices) for every choice of every layer.
void for_each_choice(const std::vector<LayerCost>& layers,
                     const std::function<void(const std::vector<int>&)>& visit) {
    std::vector<int> choice(layers.size(), 0);
    while (true) {
        visit(choice);
        std::size_t layer = 0;
        while (layer < layers.size() && ++choice[layer] == static_cast<int>(layers[layer].choices.size()))
            choice[layer++] = 0;
        if (layer == layers.size()) return;
    }
}

std::vector<StagePlan> stages_of(const std::vector<LayerCost>& layers, const std::vector<int>& cut,
                                 const std::vector<int>& choice, std::vector<double>* peaks) {
    const int p = static_cast<int>(cut.size()) - 1;
    std::vector<StagePlan> stages(static_cast<std::size_t>(p));
    peaks->assign(static_cast<std::size_t>(p), 0);
    for (int stage = 0; stage < p; ++stage)
        for (int layer = cut[stage]; layer < cut[stage + 1]; ++layer) {
            const ActivationChoice& taken = layers[layer].choices[choice[layer]];
            stages[stage].forward += layers[layer].forward;
            stages[stage].backward += layers[layer].backward + taken.extra_time;
            (*peaks)[stage] += layers[layer].state_bytes + (p - stage) * taken.kept_bytes;
        }
    return stages;
}

TEST(AdaPipe, EqualsExhaustiveSearch) {
    std::mt19937 random(7);
    int tight = 0;
    for (int repeat = 0; repeat < 40; ++repeat) {
        const int count = 3 + repeat % 4;
        AdaPipeProblem problem;
        problem.layers = random_layers(count, random);
        problem.stages = 1 + repeat % 3;
        problem.micro_batches = problem.stages + repeat % 5;
        problem.communication = 0.1 * (repeat % 3);
        problem.memory_limit = std::uniform_real_distribution<double>(4, 16)(random);
        double best = 1e300;
        for_each_cut(count, problem.stages, [&](const std::vector<int>& cut) {
            for_each_choice(problem.layers, [&](const std::vector<int>& choice) {
                std::vector<double> peaks;
                const auto stages = stages_of(problem.layers, cut, choice, &peaks);
                if (*std::max_element(peaks.begin(), peaks.end()) > problem.memory_limit) return;
                best = std::min(best, pipeline_time(stages, problem.micro_batches, problem.communication));
            });
        });
        if (best == 1e300) {
            EXPECT_THROW(adapipe_search(problem), InputError) << repeat;
            continue;
        }
        const PartitionPlan plan = adapipe_search(problem);
        EXPECT_NEAR(plan.time, best, 1e-9 * best) << repeat;
        for (const StagePlan& stage : plan.stages) {
            EXPECT_LE(stage.peak_bytes, problem.memory_limit * (1 + 1e-9)) << repeat;
            for (const int choice : stage.choice) tight += choice > 0;
        }
    }
    EXPECT_GT(tight, 20);  // the limits do bind
}

TEST(AdaPipe, EstimateIsTheReplaysMakespanForEqualStagesAndNeverMoreOtherwise) {
    std::mt19937 random(8);
    std::uniform_real_distribution<double> value(0.5, 3);
    for (int p = 1; p <= 8; ++p)
        for (const bool equal : {true, false}) {
            const int m = 2 * p + 3;
            const Schedule schedule = [&] {
                PipelineShape shape{.devices = p, .micro_batches = m};
                return make_schedule("1f1b", shape);
            }();
            ActionTimes times;
            std::vector<StagePlan> stages(static_cast<std::size_t>(p));
            for (StagePlan& stage : stages) {
                stage.forward = equal ? 1.5 : value(random);
                stage.backward = equal ? 2.5 : value(random);
                times.stage_forward.push_back(stage.forward);
                times.stage_backward_input.push_back(stage.backward);
                times.stage_backward_weight.push_back(0);
            }
            const double makespan = evaluate(schedule, times).makespan;
            const double estimate = pipeline_time(stages, m, 0);
            if (equal) {
                EXPECT_NEAR(estimate, makespan, 1e-9 * makespan) << p;
            } else {
                EXPECT_LE(estimate, makespan * (1 + 1e-9)) << p;
                EXPECT_GE(estimate, 0.75 * makespan) << p;
            }
        }
}

TEST(AdaPipe, KeepsWithinTheLimitAndIsNotSlowerThanRecomputingAll) {
    for (const int p : {2, 4, 8})
        for (const double limit : {1.0, 2.0, 3.5, 8.0}) {
            PipelineShape shape{.devices = p, .micro_batches = 3 * p};
            shape.memory_limit = limit;
            const Evaluation evaluation = evaluate(make_schedule("adapipe", shape), action_times(shape));
            for (const double peak : evaluation.peak_activation) EXPECT_LE(peak, limit + 1e-9);
            shape.memory_limit.reset();
            const Evaluation free = evaluate(make_schedule("1f1b", shape), action_times(shape));
            EXPECT_GE(evaluation.makespan, free.makespan - 1e-9);
            EXPECT_LE(evaluation.makespan, free.makespan * 4 / 3 + 1e-9);  // F once more in F + B + W = 3F
            if (limit >= p) {
                EXPECT_NEAR(evaluation.makespan, free.makespan, 1e-9);
            }
        }
}

TEST(AdaPipe, StopsWhenItsTimeIsUpWithTheBestItHas) {
    std::mt19937 random(3);
    AdaPipeProblem problem;
    problem.layers = random_layers(120, random);
    problem.stages = 16;
    problem.micro_batches = 64;
    problem.memory_limit = 120;
    problem.seconds = 1e-6;
    try {
        adapipe_search(problem);
        ADD_FAILURE() << "a search cannot be that fast";
    } catch (const InputError& error) {
        EXPECT_EQ(error.key, "time-limit");
    }
}

TEST(MCap, EqualsExhaustiveSearch) {
    std::mt19937 random(17);
    for (int repeat = 0; repeat < 60; ++repeat) {
        const int count = 3 + repeat % 6;
        const int p = 1 + repeat % 3;
        const std::vector<LayerCost> layers = random_layers(count, random);
        std::vector<int> in_flight;
        for (int stage = 0; stage < p; ++stage) in_flight.push_back(p - stage);
        double peak = 1e300;
        double slowest = 1e300;
        for_each_cut(count, p, [&](const std::vector<int>& cut) {
            std::vector<double> peaks;
            const auto stages = stages_of(layers, cut, std::vector<int>(layers.size(), 0), &peaks);
            const double most = *std::max_element(peaks.begin(), peaks.end());
            double pace = 0;
            for (const StagePlan& stage : stages) pace = std::max(pace, stage.forward + stage.backward);
            if (most < peak - 1e-9) {
                peak = most;
                slowest = pace;
            } else if (most < peak + 1e-9) {
                slowest = std::min(slowest, pace);
            }
        });
        const PartitionPlan plan = mcap_search(layers, in_flight);
        double most = 0;
        double pace = 0;
        for (const StagePlan& stage : plan.stages) {
            most = std::max(most, stage.peak_bytes);
            pace = std::max(pace, stage.forward + stage.backward);
        }
        EXPECT_NEAR(most, peak, 1e-9) << repeat;
        EXPECT_NEAR(pace, slowest, 1e-9) << repeat;
    }
}

TEST(MCap, HoldsLessThan1F1BOnItsFullestDevice) {
    for (const int p : {2, 4, 8, 16}) {
        const PipelineShape shape{.devices = p, .micro_batches = 2 * p};
        const Schedule schedule = make_schedule("mcap", shape);
        check(schedule);
        const Evaluation evaluation = evaluate(schedule, action_times(shape));
        const double peak =
            *std::max_element(evaluation.peak_activation.begin(), evaluation.peak_activation.end());
        EXPECT_LT(peak, 0.75 * p) << p;
        double work = 0;
        for (const double share : schedule.stage_work) work += share;
        EXPECT_NEAR(work, p, 1e-9);
    }
}

TEST(MPress, EqualsExhaustiveSearchStageByStage) {
    std::mt19937 random(23);
    int moved = 0;
    int overflows = 0;  // of the second stage, which then lends nothing
    for (int repeat = 0; repeat < 90; ++repeat) {
        MPressProblem problem;
        problem.layers = random_layers(6, random);
        for (LayerCost& layer : problem.layers) {
            const double bytes = layer.choices[0].kept_bytes;
            layer.choices.push_back({.peer_bytes = bytes});
            layer.choices.push_back({.host_bytes = bytes});
        }
        problem.first_layer = {0, 3};
        problem.micro_batches = 5;
        problem.memory_limit = std::uniform_real_distribution<double>(8, 20)(random);
        problem.peer_rate = repeat % 3 == 0 ? 0 : 0.5;
        problem.host_rate = repeat % 2 == 0 ? 0 : 0.2;
        const auto sums = [&](int stage) {
            std::pair<double, double> state_and_kept;
            for (int layer = 3 * stage; layer < 3 * stage + 3; ++layer) {
                state_and_kept.first += problem.layers[layer].state_bytes;
                state_and_kept.second += problem.layers[layer].choices[0].kept_bytes;
            }
            return state_and_kept;
        };
        const double room = problem.memory_limit - sums(1).first - sums(1).second;
        double best = 1e300;
        for_each_choice({problem.layers.begin(), problem.layers.begin() + 3},
                        [&](const std::vector<int>& choice) {
                            double kept = 0, extra = 0, peer = 0, host = 0, compute = 0;
                            for (int layer = 0; layer < 3; ++layer) {
                                const LayerCost& cost = problem.layers[layer];
                                const ActivationChoice& taken = cost.choices[choice[layer]];
                                compute += cost.forward + cost.backward;
                                kept += taken.kept_bytes;
                                extra += taken.extra_time;
                                peer += taken.peer_bytes;
                                host += taken.host_bytes;
                            }
                            if (sums(0).first + 2 * kept + 2 * (peer + host) > problem.memory_limit) return;
                            if (peer > 0 && (problem.peer_rate == 0 || 2 * peer > room)) return;
                            if (host > 0 && problem.host_rate == 0) return;
                            double time = compute + extra;
                            if (peer > 0) time = std::max(time, peer / problem.peer_rate);
                            if (host > 0) time = std::max(time, host / problem.host_rate);
                            best = std::min(best, time);
                        });
        const bool second_fits = [&] {  // in full recomputation, if it overflows
            double least = sums(1).first;
            for (int layer = 3; layer < 6; ++layer) least += problem.layers[layer].choices[2].kept_bytes;
            return room >= 0 || least <= problem.memory_limit;
        }();
        if (!second_fits) continue;
        overflows += room < 0;
        if (best == 1e300) {
            EXPECT_THROW(mpress_search(problem), InputError) << repeat;
            continue;
        }
        const PartitionPlan plan = mpress_search(problem);
        EXPECT_NEAR(plan.stages[0].forward + plan.stages[0].backward, best, 1e-9 * best) << repeat;
        for (const StagePlan& stage : plan.stages)
            EXPECT_LE(stage.peak_bytes, problem.memory_limit * (1 + 1e-9));
        for (const int choice : plan.stages[0].choice) moved += choice > 2;
    }
    EXPECT_GT(moved, 10);
    EXPECT_GT(overflows, 3);
}

TEST(MPress, StaysWithinTheLimitWhileTransfersKeepUp) {
    for (const int p : {2, 4, 8, 12})
        for (const double share : {0.5, 0.6, 0.8, 1.0})
            for (const double transfer : {0.0, 0.5, 1.0}) {
                PipelineShape shape{.devices = p, .micro_batches = 3 * p};
                shape.memory_limit = std::max(share * p, 1.5);
                shape.transfer_time = transfer;
                const Schedule schedule = make_schedule("mpress", shape);
                check(schedule);
                ActionTimes times = action_times(shape);
                times.evict = times.load = transfer;
                const Evaluation evaluation = evaluate(schedule, times);
                for (int device = 0; device < p; ++device)
                    EXPECT_LE(evaluation.peak_activation[device], *shape.memory_limit + 1e-9)
                        << p << " limit " << *shape.memory_limit << " transfer " << transfer << " device "
                        << device;
            }
}

}  // namespace
}  // namespace orrery::schedules
