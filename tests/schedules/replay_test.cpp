// tests/schedules/replay_test.cpp
//
// The replay against the longest path found by plain relaxation, and what it says of orders that cannot run.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

/// Ends of all actions by raising them until nothing changes; units and transfers are left to other tests.
std::vector<std::vector<double>> relaxed_ends(const Schedule& schedule, const ActionTimes& times) {
    using Key = std::tuple<ActionKind, int, int, int>;  // joined backwards count as backward_input
    std::map<Key, double> ends;
    const auto key = [](ActionKind kind, const Action& action, int stage, int slice) {
        return Key{kind == ActionKind::backward ? ActionKind::backward_input : kind, action.micro_batch,
                   stage, slice};
    };
    const int stages = schedule.stages();
    std::vector<std::vector<double>> result;
    for (const auto& order : schedule.orders) result.emplace_back(order.size(), 0.0);
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t device = 0; device < schedule.orders.size(); ++device)
            for (std::size_t i = 0; i < schedule.orders[device].size(); ++i) {
                const Action& a = schedule.orders[device][i];
                const auto& holder = schedule.placement[a.direction];
                double start = i > 0 ? result[device][i - 1] : 0;
                const auto after = [&](ActionKind kind, int stage, int slice) {
                    if (stage < 0 || stage >= stages || slice < 0 || slice >= schedule.slices) return;
                    const double latency = holder[stage] == holder[a.stage] ? 0 : times.communication;
                    start = std::max(start, ends[key(kind, a, stage, slice)] + latency);
                };
                double length = times.backward_weight;
                if (a.kind == ActionKind::forward) {
                    after(ActionKind::forward, a.stage - 1, a.slice);
                    after(ActionKind::forward, a.stage, a.slice - 1);
                    length = times.forward;
                } else if (a.kind == ActionKind::backward_weight) {
                    after(ActionKind::backward, a.stage, a.slice);
                } else {
                    after(ActionKind::forward, a.stage, a.slice);
                    after(ActionKind::backward, a.stage + 1, a.slice);
                    after(ActionKind::backward, a.stage, a.slice + 1);
                    length =
                        times.backward_input + (a.kind == ActionKind::backward ? times.backward_weight : 0);
                }
                if (start + length > result[device][i] + 1e-12) {
                    result[device][i] = start + length;
                    ends[key(a.kind, a, a.stage, a.slice)] = start + length;
                    changed = true;
                }
            }
    }
    return result;
}

TEST(Replay, IsTheLongestPathOfTheDependencies) {
    std::mt19937 random(7);
    const auto pick = [&](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    for (const char* name : {"1f1b", "interleaved-1f1b", "grouped-interleaved", "seq1f1b", "terapipe",
                             "zb-h2", "v-half", "zb-v", "hanayo", "chimera", "breadth-first"}) {
        const ScheduleEntry& entry = find_schedule(name);
        for (int i = 0; i < 8; ++i) {
            PipelineShape shape{.devices = 2 * pick(1, 3), .micro_batches = pick(6, 12)};
            shape.chunks = entry.default_chunks;
            if (std::string_view(name).starts_with("seq") || std::string_view(name) == "terapipe")
                shape.slices = pick(1, 3);
            shape.forward_time = pick(1, 9);
            shape.backward_input_time = pick(1, 9);
            shape.backward_weight_time = pick(1, 9);
            shape.communication_time = pick(0, 2);
            const Schedule schedule = entry.generate(shape);
            const ActionTimes times = action_times(shape);
            const Evaluation evaluation = evaluate(schedule, times);
            const auto ends = relaxed_ends(schedule, times);
            for (std::size_t device = 0; device < ends.size(); ++device)
                for (std::size_t k = 0; k < ends[device].size(); ++k)
                    ASSERT_NEAR(evaluation.end[device][k], ends[device][k], 1e-9)
                        << name << " device " << device << " action " << k;
        }
    }
}

/// 1F1B of two devices and two micro-batches, to be spoiled.
Schedule small() {
    return make_schedule("1f1b", {.devices = 2, .micro_batches = 2});
}

std::string failure(const Schedule& schedule, std::vector<std::string>* steps = nullptr) {
    try {
        evaluate(schedule, {});
    } catch (const SimulationError& error) {
        if (steps != nullptr) *steps = error.cycle;
        return error.what();
    }
    return "";
}

TEST(Replay, NamesTheDevicesThatWaitForEachOther) {
    Schedule schedule = small();
    // Device 0 wants the gradient of micro-batch 1 before it has sent it forward.
    schedule.orders[0] = {{ActionKind::forward, 0, 0},
                          {ActionKind::backward, 1, 0},
                          {ActionKind::forward, 1, 0},
                          {ActionKind::backward, 0, 0}};
    std::vector<std::string> steps;
    EXPECT_TRUE(failure(schedule, &steps).starts_with("schedule 1f1b deadlocks"));
    const std::vector<std::string> cycle = {
        "device 0: BW stage 0 micro-batch 1 waits for BW stage 1 micro-batch 1 of device 1",
        "device 1: F stage 1 micro-batch 1 waits for F stage 0 micro-batch 1 of device 0"};
    EXPECT_EQ(steps, cycle);
}

TEST(Replay, NamesAnActionThatNoDeviceRuns) {
    Schedule schedule = small();
    schedule.orders[1].pop_back();
    EXPECT_NE(failure(schedule).find("device 1 never runs BW stage 1 micro-batch 1"), std::string::npos)
        << failure(schedule);
}

}  // namespace
}  // namespace orrery::schedules
