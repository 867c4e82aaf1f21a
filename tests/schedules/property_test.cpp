// tests/schedules/property_test.cpp
//
// What must hold for every registered schedule, on random shapes and times.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

PipelineShape random_shape(const ScheduleEntry& entry, std::mt19937& random) {
    const auto pick = [&](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    PipelineShape shape;
    shape.devices = pick(1, 8);
    shape.micro_batches = pick(0, 1) == 0 ? pick(1, 20) : shape.devices * pick(1, 5);
    shape.chunks = pick(0, 2) > 0 ? entry.default_chunks : pick(1, 4);
    shape.slices = pick(0, 1) == 0 ? 1 : pick(1, 4);
    shape.forward_time = pick(1, 40) / 4.0;
    shape.backward_input_time = pick(1, 40) / 4.0;
    shape.backward_weight_time = pick(1, 40) / 4.0;
    if (pick(0, 2) == 0)
        shape.backward_input_time = shape.backward_weight_time = shape.forward_time;  // many formulas need it
    return shape;
}

std::string text_of(const ScheduleEntry& entry, const PipelineShape& shape) {
    return fmt::format("{} p={} m={} v={} q={} F={} B={} W={} c={}", entry.name, shape.devices,
                       shape.micro_batches, shape.chunks, shape.slices, shape.forward_time,
                       shape.backward_input_time, shape.backward_weight_time, shape.communication_time);
}

void expect_properties(const ScheduleEntry& entry, PipelineShape shape) {
    const std::string where = text_of(entry, shape);
    const Schedule schedule = entry.generate(shape);
    EXPECT_EQ(schedule.name, entry.name);
    EXPECT_NO_THROW(check(schedule)) << where;
    Evaluation evaluation;
    ASSERT_NO_THROW(evaluation = evaluate(schedule, action_times(shape))) << where;
    if (entry.bubble) {
        if (const auto bubble = entry.bubble(shape)) {
            const double work = *std::max_element(evaluation.busy.begin(), evaluation.busy.end());
            EXPECT_NEAR(evaluation.makespan - work, *bubble, 1e-9 * evaluation.makespan) << where;
        }
    }
    if (entry.peak) {
        if (const auto peak = entry.peak(shape)) {
            ASSERT_EQ(peak->size(), evaluation.peak_activation.size());
            for (std::size_t device = 0; device < peak->size(); ++device)
                EXPECT_NEAR(evaluation.peak_activation[device], (*peak)[device], 1e-9)
                    << where << " device " << device;
        }
    }
    shape.communication_time = 0.7;
    const Evaluation slower = evaluate(schedule, action_times(shape));
    EXPECT_GE(slower.makespan, evaluation.makespan - 1e-9) << where;
}

TEST(EverySchedule, IsCompleteRunsAndMeetsItsDeclarations) {
    std::mt19937 random(20240711);
    for (const ScheduleEntry& entry : registry()) {
        const bool search = entry.name == "v-auto" || entry.name == "tessel";  // slow ones
        const int enough = search ? 20 : 120;
        int legal = 0;
        for (int attempt = 0; attempt < 2000 && legal < enough; ++attempt) {
            const PipelineShape shape = random_shape(entry, random);
            try {
                entry.generate(shape);
            } catch (const InputError&) {
                continue;  // not a legal shape for this schedule
            }
            ++legal;
            expect_properties(entry, shape);
            if (HasFailure()) return;
        }
        EXPECT_GE(legal, 20) << entry.name << " accepts hardly any shape";
    }
}

TEST(EverySchedule, RejectsImpossibleSizesByName) {
    for (const ScheduleEntry& entry : registry()) {
        PipelineShape shape;
        shape.devices = 0;
        try {
            entry.generate(shape);
            ADD_FAILURE() << entry.name;
        } catch (const InputError& error) {
            EXPECT_EQ(error.key, "stages") << entry.name;
        }
        shape.devices = 4;
        shape.micro_batches = 0;
        EXPECT_THROW(entry.generate(shape), InputError) << entry.name;
        shape.micro_batches = 1 << 30;
        EXPECT_THROW(entry.generate(shape), InputError) << entry.name;
    }
}

#ifdef ORRERY_UNDER_SANITIZERS
constexpr bool kWholeGrid = false;  // ten times slower there
#else
constexpr bool kWholeGrid = true;
#endif

/// Holds the evaluation of one shape to its closed form; `must` have one.
void expect_closed_form(const ScheduleEntry& entry, int p, int m, int v, bool must) {
    PipelineShape shape{.devices = p, .micro_batches = m, .chunks = v};
    shape.forward_time = 3;
    shape.backward_input_time = 4;
    shape.backward_weight_time = 2.5;
    const Evaluation evaluation = evaluate(entry.generate(shape), action_times(shape));
    const double work = m * 9.5;
    const auto bubble = entry.bubble(shape);
    ASSERT_EQ(bubble.has_value() || !must, true) << text_of(entry, shape);
    if (bubble) {
        ASSERT_NEAR(evaluation.makespan, work + *bubble, 1e-9 * work) << text_of(entry, shape);
    }
    if (must) {
        // (p-1)(F+B)/v: GPipe and 1F1B with v = 1 (Narayanan et al. 2021, section 2.2).
        ASSERT_NEAR(evaluation.makespan, work + (p - 1) * 9.5 / v, 1e-9 * work) << text_of(entry, shape);
    }
    ASSERT_NEAR(evaluation.bubble_ratio, 1 - work / evaluation.makespan, 1e-9);
}

TEST(ClosedForms, HoldForUpTo32Stages256MicroBatches8Chunks) {
    for (const char* name : {"gpipe", "1f1b", "interleaved-1f1b"}) {
        const ScheduleEntry& entry = find_schedule(name);
        const bool interleaved = std::string_view(name) == "interleaved-1f1b";
        for (int p = 1; p <= 32; ++p) {
            for (int m = 1; m <= 256; ++m) {
                if (interleaved && m < p) continue;
                const bool whole =
                    !interleaved || m % p == 0;  // groups of p micro-batches: the published form
                const bool sampled = m < 20 || m % 37 == 0;
                if (!sampled && !(kWholeGrid && whole)) continue;
                for (int v = interleaved ? 2 : 1; v <= (interleaved ? 8 : 1); ++v) {
                    expect_closed_form(entry, p, m, v, whole);
                    if (testing::Test::HasFatalFailure()) return;
                }
            }
        }
    }
}

// How fast is for bench/ to say: a test holds on a busy machine and under sanitizers.
TEST(EverySchedule, LargeOnesAreCompleteToo) {
    const PipelineShape shape{.devices = 64, .micro_batches = 1024, .chunks = 4};
    const Schedule schedule = make_schedule("interleaved-1f1b", shape);
    const Evaluation evaluation = evaluate(schedule, action_times(shape));
    EXPECT_EQ(evaluation.actions, 64U * 1024 * 4 * 2);
}

}  // namespace
}  // namespace orrery::schedules
