// tests/schedules/tessel_test.cpp
//
// Tessel's search against exhaustive enumeration and against what is known of its placements.
#include "schedules/tessel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

using Orders = std::vector<std::vector<Action>>;

/// All orders of one device: its stages' forwards and backwards, each in the order of the micro-batches, no
/// backward before its forward, at most so many forwards ahead.
Orders device_orders(const std::vector<int>& stages, int micro_batches, double limit, double size) {
    Orders all;
    std::vector<Action> order;
    std::vector<int> forwards(stages.size(), 0), backwards(stages.size(), 0);
    std::function<void(double)> extend = [&](double alive) {
        if (order.size() == 2 * stages.size() * micro_batches) return all.push_back(order);
        for (std::size_t i = 0; i < stages.size(); ++i) {
            if (forwards[i] < micro_batches && alive + size <= limit + 1e-9) {
                order.push_back({ActionKind::forward, forwards[i]++, stages[i]});
                extend(alive + size);
                --forwards[i];
                order.pop_back();
            }
            if (backwards[i] < forwards[i]) {
                order.push_back({ActionKind::backward, backwards[i]++, stages[i]});
                extend(alive - size);
                --backwards[i];
                order.pop_back();
            }
        }
    };
    extend(0);
    return all;
}

double shortest_makespan(Schedule schedule, const ActionTimes& times, double limit) {
    std::vector<Orders> choices;
    for (int device = 0; device < schedule.devices; ++device) {
        std::vector<int> stages;
        for (int stage = 0; stage < schedule.stages(); ++stage)
            if (schedule.placement[0][stage] == device) stages.push_back(stage);
        choices.push_back(device_orders(stages, schedule.micro_batches, limit, 1.0 / schedule.chunks));
    }
    double best = 1e300;
    std::vector<std::size_t> at(choices.size(), 0);
    while (true) {
        for (std::size_t d = 0; d < at.size(); ++d) schedule.orders[d] = choices[d][at[d]];
        try {
            best = std::min(best, evaluate(schedule, times).makespan);
        } catch (const SimulationError&) {
            // Orders that wait for each other are no schedule.
        }
        std::size_t d = 0;
        while (d < at.size() && ++at[d] == choices[d].size()) at[d++] = 0;
        if (d == at.size()) return best;
    }
}

TEST(Tessel, EqualsExhaustiveSearchOnAChain) {
    for (int p = 1; p <= 3; ++p)
        for (int m = 1; m <= 4; ++m)
            for (const double backward : {1.0, 2.0, 3.0})
                for (const double limit : {1.0, 2.0, 3.0}) {
                    PipelineShape shape{.devices = p, .micro_batches = m};
                    shape.backward_input_time = backward;
                    shape.backward_weight_time = 0;
                    shape.memory_limit = limit;
                    const Schedule schedule = make_schedule("tessel", shape);
                    check(schedule);
                    const Evaluation evaluation = evaluate(schedule, action_times(shape));
                    EXPECT_NEAR(evaluation.makespan, shortest_makespan(schedule, action_times(shape), limit),
                                1e-9)
                        << "p=" << p << " m=" << m << " B=" << backward << " limit=" << limit;
                    for (const double peak : evaluation.peak_activation) EXPECT_LE(peak, limit + 1e-9);
                }
}

TEST(Tessel, EqualsExhaustiveSearchWhereStagesShareDevices) {
    for (const char* variant : {"nn", "k", "0,1,1,0"}) {
        PipelineShape shape{.devices = 2, .micro_batches = 2, .chunks = 2};
        shape.variant = variant;
        const Schedule schedule = make_schedule("tessel", shape);
        check(schedule);
        EXPECT_NEAR(evaluate(schedule, action_times(shape)).makespan,
                    shortest_makespan(schedule, action_times(shape), 1e9), 1e-9)
            << variant;
    }
}

TEST(Tessel, FindsTheShortestPossiblePeriodOnEveryPlacementOfThePaper) {
    for (const char* variant : {"v", "x", "m", "nn", "k"})
        for (const int p : {2, 4, 6}) {
            PipelineShape shape{.devices = p, .micro_batches = 4 * p};
            shape.variant = variant;
            shape.time_limit = 5;
            Schedule schedule = make_schedule("tessel", shape);
            check(schedule);
            shape.chunks = schedule.chunks;
            const Evaluation evaluation = evaluate(schedule, action_times(shape));
            const Repetend repetend = tessel_search(schedule, shape);
            EXPECT_NEAR(repetend.period, repetend.shortest_period, 1e-9) << variant << " " << p;
            // No device idles in the steady state: what is left is at most the way of one micro-batch.
            EXPECT_LE(evaluation.makespan - evaluation.busy[0], 2.0 * 3 * p) << variant << " " << p;
        }
}

TEST(Tessel, MeetsOneFOneBOnItsPlacementAndMemory) {
    for (int p = 1; p <= 8; ++p) {
        PipelineShape shape{.devices = p, .micro_batches = 3 * p};
        shape.memory_limit = p;
        const Evaluation evaluation = evaluate(make_schedule("tessel", shape), action_times(shape));
        EXPECT_NEAR(evaluation.makespan, (4 * p - 1) * 3, 1e-9) << p;
    }
}

}  // namespace
}  // namespace orrery::schedules
