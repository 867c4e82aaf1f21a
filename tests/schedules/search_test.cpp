// tests/schedules/search_test.cpp
//
// The searches against exhaustive enumeration and golden optima; Chimera's variants against closed forms.
#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "core/error.hpp"
#include "golden.hpp"
#include "schedules/dynapipe.hpp"
#include "schedules/terapipe_slices.hpp"
#include "schedules/zb_exact.hpp"
#include "schedules/zb_integer_program.hpp"

namespace orrery::schedules {
namespace {

/// All orders of F, B, W of one stage in which no B precedes its F and no W its B.
void stage_orders(int m, int stage, std::vector<Action>& prefix, std::array<int, 3> done,
                  std::vector<std::vector<Action>>& all) {
    if (done[2] == m) return all.push_back(prefix);
    static constexpr std::array kKinds = {ActionKind::forward, ActionKind::backward_input,
                                          ActionKind::backward_weight};
    for (int kind = 0; kind < 3; ++kind) {
        if (done[kind] >= (kind == 0 ? m : done[kind - 1])) continue;
        prefix.push_back({kKinds[kind], done[kind], stage});
        ++done[kind];
        stage_orders(m, stage, prefix, done, all);
        --done[kind];
        prefix.pop_back();
    }
}

bool within_memory(const ZeroBubbleProblem& problem, const std::vector<Action>& order) {
    double used = 0;
    for (const Action& action : order) {
        const int stage = action.stage;
        used += action.kind == ActionKind::forward          ? problem.memory_forward[stage]
                : action.kind == ActionKind::backward_input ? problem.memory_backward[stage]
                                                            : problem.memory_weight[stage];
        if (used > problem.memory_limit[stage] + 1e-9) return false;
    }
    return true;
}

/// The shortest longest-span over all combinations of orders.
double exhaustive_span(const ZeroBubbleProblem& problem, const PipelineShape& shape) {
    std::vector<std::vector<std::vector<Action>>> choices;
    for (int stage = 0; stage < problem.devices; ++stage) {
        std::vector<Action> prefix;
        std::vector<std::vector<Action>> all;
        stage_orders(problem.micro_batches, stage, prefix, {}, all);
        std::erase_if(all, [&](const auto& order) { return !within_memory(problem, order); });
        choices.push_back(std::move(all));
    }
    Schedule schedule = make_schedule("zb-h1", shape);
    const ActionTimes times = action_times(shape);
    double best = 1e300;
    std::vector<std::size_t> at(choices.size(), 0);
    while (true) {
        for (std::size_t stage = 0; stage < at.size(); ++stage)
            schedule.orders[stage] = choices[stage][at[stage]];
        try {
            best = std::min(best, evaluate(schedule, times).longest_span);
        } catch (const SimulationError&) {
            // Orders that wait for each other are no schedule.
        }
        std::size_t stage = 0;
        while (stage < at.size() && ++at[stage] == choices[stage].size()) at[stage++] = 0;
        if (stage == at.size()) return best;
    }
}

TEST(ZeroBubbleExact, EqualsExhaustiveSearch) {
    std::mt19937 random(11);
    const auto pick = [&](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    const std::pair<int, int> sizes[] = {{1, 4}, {2, 2}, {2, 3}, {3, 2}, {2, 3}, {3, 2}, {2, 3}};
    for (int repeat = 0; repeat < 4; ++repeat)
        for (const auto& [p, m] : sizes) {
            PipelineShape shape{.devices = p, .micro_batches = m};
            shape.forward_time = pick(1, 9);
            shape.backward_input_time = pick(1, 9);
            shape.backward_weight_time = pick(1, 9);
            shape.communication_time = pick(0, 2);
            shape.memory_limit = pick(p, 2 * p);
            shape.released_at_backward = pick(0, 1) * 0.5;
            const ZeroBubbleProblem problem = zero_bubble_problem(shape);
            const ExactSearch exact = zero_bubble_exact(problem, zero_bubble_heuristic(problem));
            EXPECT_TRUE(exact.proven);
            EXPECT_NEAR(exact.best.longest_span, exhaustive_span(problem, shape), 1e-9)
                << "p=" << p << " m=" << m << " repeat " << repeat;
            shape.variant = "exact";
            const Schedule schedule = make_schedule("zb-auto", shape);
            check(schedule);
            EXPECT_NEAR(evaluate(schedule, action_times(shape)).longest_span, exact.best.longest_span, 1e-9);
        }
}

TEST(ZeroBubbleExact, MeetsTheProvenOptimaOfTheIntegerProgram) {
    const nlohmann::json data = read_data("zb_ilp_small.json");
    for (const auto& row : data["cases"]) {
        PipelineShape shape{.devices = row["p"], .micro_batches = row["m"]};
        shape.forward_time = row["t"][0];
        shape.backward_input_time = row["t"][1];
        shape.backward_weight_time = row["t"][2];
        shape.communication_time = row["t_comm"];
        const double whole = row["mem"]["F"];
        shape.memory_limit = row["limit"].get<double>() / whole;
        shape.released_at_backward = -row["mem"]["B"].get<double>() / whole;
        const ZeroBubbleProblem problem = zero_bubble_problem(shape);
        const ExactSearch exact =
            zero_bubble_exact(problem, zero_bubble_heuristic(problem), {.partial = 200'000});
        EXPECT_NEAR(exact.best.longest_span, row["optimal_span"].get<double>(), 1e-9) << row.dump();
        EXPECT_TRUE(exact.proven || shape.devices > 3) << row.dump() << " " << exact.partial;
    }
}

TEST(ZeroBubbleIntegerProgram, EqualsExhaustiveSearchAndTheGoldenOptima) {
    if (!have_integer_programs()) {
        PipelineShape shape{.devices = 2, .micro_batches = 2};
        shape.variant = "ilp";
        EXPECT_THROW(make_schedule("zb-auto", shape), MissingCapability);
        return;
    }
    std::mt19937 random(12);
    const auto pick = [&](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    for (const auto& [p, m] : {std::pair{1, 3}, {2, 2}, {2, 3}, {3, 2}}) {
        PipelineShape shape{.devices = p, .micro_batches = m};
        shape.forward_time = pick(1, 9);
        shape.backward_input_time = pick(1, 9);
        shape.backward_weight_time = pick(1, 9);
        shape.communication_time = pick(0, 2);
        shape.memory_limit = pick(p, 2 * p);
        shape.released_at_backward = pick(0, 1) * 0.5;
        const ZeroBubbleProblem problem = zero_bubble_problem(shape);
        // Believing its start to be poor, the program has to find the optimum itself.
        ZeroBubbleOrder start = zero_bubble_heuristic(problem);
        start.longest_span *= 1.5;
        start.orders.clear();
        const IntegerProgramResult found = zero_bubble_integer_program(problem, start, 60);
        EXPECT_TRUE(found.proven);
        EXPECT_NEAR(found.best.longest_span, exhaustive_span(problem, shape), 1e-6) << p << " " << m;
    }
    const nlohmann::json data = read_data("zb_ilp_small.json");
    int compared = 0;
    for (const auto& row : data["cases"]) {
        if (row["p"] > 3 || row["m"] > 3) continue;  // the rest takes minutes
        PipelineShape shape{.devices = row["p"], .micro_batches = row["m"]};
        shape.forward_time = row["t"][0];
        shape.backward_input_time = row["t"][1];
        shape.backward_weight_time = row["t"][2];
        shape.communication_time = row["t_comm"];
        const double whole = row["mem"]["F"];
        shape.memory_limit = row["limit"].get<double>() / whole;
        shape.released_at_backward = -row["mem"]["B"].get<double>() / whole;
        shape.variant = "ilp";
        EXPECT_NEAR(evaluate(make_schedule("zb-auto", shape), action_times(shape)).longest_span,
                    row["optimal_span"].get<double>(), 1e-6)
            << row.dump();
        ++compared;
    }
    EXPECT_GT(compared, 10);
}

TEST(TeraPipeSlices, EqualTheReferencePlanner) {
    const nlohmann::json data = read_data("terapipe_dp.json");
    for (const auto& row : data["cases"]) {
        const double a = row["a"], b = row["b"], g = row["g"];
        const auto time = [&](int sequences, int tokens, int context) {
            const double work = static_cast<double>(sequences) * tokens;
            return a + b * work + g * work * (context + tokens / 2.0);
        };
        const SlicePlan plan =
            best_slices(row["seq_len"], row["batch"], row["pipeline_len"], row["step_gap"], time);
        EXPECT_NEAR(plan.time, row["best_time"].get<double>(), 1e-9) << row.dump();
        int sequences = 0;
        for (const SliceGroup& group : plan.groups) {
            sequences += group.sequences;
            EXPECT_EQ(std::accumulate(group.lengths.begin(), group.lengths.end(), 0), row["seq_len"]);
        }
        EXPECT_EQ(sequences, row["batch"]);
    }
}

TEST(TeraPipeSlices, EqualExhaustiveSearch) {
    std::mt19937 random(5);
    std::uniform_real_distribution<double> value(0.1, 3);
    for (int repeat = 0; repeat < 40; ++repeat) {
        const int steps = 1 + repeat % 7;
        const int depth = 1 + repeat % 5;
        const double a = value(random), b = value(random), g = value(random) / 5;
        const auto time = [&](int, int tokens, int context) {
            return a + b * tokens + g * tokens * (context + tokens / 2.0);
        };
        double best = 1e300;
        for (unsigned cuts = 0; cuts < 1U << (steps - 1); ++cuts) {
            double sum = 0, most = 0;
            int before = 0;
            for (int end = 1; end <= steps; ++end) {
                if (end < steps && (cuts >> (end - 1) & 1U) == 0) continue;
                const double slice = time(1, end - before, before);
                sum += slice;
                most = std::max(most, slice);
                before = end;
            }
            best = std::min(best, sum + (depth - 1) * most);
        }
        EXPECT_NEAR(best_slices(steps, 1, depth, 1, time).time, best, 1e-9);
    }
}

TEST(DynaPipeBatches, EqualExhaustiveSearch) {
    std::mt19937 random(3);
    std::uniform_int_distribution<int> length(1, 40);
    for (int repeat = 0; repeat < 60; ++repeat) {
        std::vector<int> lengths(1 + repeat % 9);
        for (int& each : lengths) each = length(random);
        std::sort(lengths.begin(), lengths.end());
        const int depth = 1 + repeat % 4;
        const double limit = repeat % 3 == 0 ? 1e9 : 90;
        const auto time = [](int samples, int longest) {
            return 2.0 + samples * longest * (1 + 0.02 * longest);
        };
        const auto memory = [](int samples, int longest) { return 1.0 * samples * longest; };
        const int n = static_cast<int>(lengths.size());
        double best = 1e300;
        for (unsigned cuts = 0; cuts < 1U << (n - 1); ++cuts) {
            double sum = 0, most = 0;
            bool fits = true;
            for (int first = 0, end = 1; end <= n; ++end) {
                if (end < n && (cuts >> (end - 1) & 1U) == 0) continue;
                const double batch = time(end - first, lengths[end - 1]);
                fits = fits && memory(end - first, lengths[end - 1]) <= limit;
                sum += batch;
                most = std::max(most, batch);
                first = end;
            }
            if (fits) best = std::min(best, sum + (depth - 1) * most);
        }
        const BatchPlan plan = best_micro_batches(lengths, depth, time, memory, limit);
        EXPECT_NEAR(plan.time, best, 1e-9 * best) << repeat;
        int samples = 0;
        for (const int size : plan.sizes) samples += size;
        EXPECT_EQ(samples, n);
    }
    const auto one = [](int, int) { return 1.0; };
    EXPECT_THROW(best_micro_batches({5, 9}, 2, one, one, 0.5), InputError);
}

TEST(DynaPipe, HoldsEveryDeviceWithinItsLimitForUnequalMicroBatches) {
    std::mt19937 random(9);
    std::uniform_real_distribution<double> size(0.2, 2);
    for (int p = 1; p <= 8; ++p)
        for (const double limit : {2.0, 3.5, 100.0}) {
            std::vector<double> sizes(20);
            for (double& each : sizes) each = size(random);
            const auto orders = cyclic_orders(p, sizes, limit);
            Schedule schedule = make_schedule("1f1b", {.devices = p, .micro_batches = 20});
            schedule.orders = orders;
            check(schedule);
            ActionTimes times;
            times.micro_batch_factor = sizes;
            EXPECT_NO_THROW(evaluate(schedule, times));
            for (const auto& order : orders) {
                double alive = 0, most = 0;
                for (const Action& action : order) {
                    alive += (action.kind == ActionKind::forward ? 1 : -1) * sizes[action.micro_batch];
                    most = std::max(most, alive);
                }
                EXPECT_LE(most, limit + 1e-9);
            }
        }
}

TEST(Chimera, DoublingAndHalvingRemoveTheMiddleBubbles) {
    for (int p = 2; p <= 16; p += 2)
        for (int units = 1; units <= 4; ++units) {
            PipelineShape shape{.devices = p, .micro_batches = 2 * p * units};
            shape.variant = "doubling";
            const Evaluation doubled = evaluate(make_schedule("chimera", shape), action_times(shape));
            // B+W = 2F: bubble 2(p-2)F where direct concatenation has (p-2)(K+1)F with K = 2 units.
            EXPECT_NEAR(doubled.makespan, 3 * shape.micro_batches + 2 * (p - 2), 1e-9) << p << " " << units;
            shape.micro_batches = p * units;
            shape.slices = 2;
            shape.variant = "halving";
            const Schedule halved = make_schedule("chimera", shape);
            check(halved);
            // The same in slots of half the length.
            EXPECT_NEAR(evaluate(halved, action_times(shape)).makespan, 3 * shape.micro_batches + (p - 2),
                        1e-9)
                << p << " " << units;
        }
}

}  // namespace
}  // namespace orrery::schedules
