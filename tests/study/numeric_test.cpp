// A lowered program computes what one rank that holds everything computes: under every schedule with a flush,
// in every parallel scheme, in every order of its tasks that the rules allow.
#include <cmath>

#include "core/error.hpp"
#include "numeric_case.hpp"
#include "schedules/schedule.hpp"
#include "study/numeric/order.hpp"
#include "study/numeric/reference.hpp"

namespace orrery::study::numeric {
namespace {

using parallel::DataSharding;
using parallel::Plan;
using parallel::RecomputePolicy;

// --- the reference ---

/// As Qwen3.
models::TransformerShape with_normalized_keys(int layers) {
    models::TransformerShape shape = small_shape(layers, true);
    shape.qk_norm = true;
    return shape;
}

/// As BLOOM.
models::TransformerShape with_linear_biases(int layers) {
    models::TransformerShape shape = small_shape(layers, false);
    shape.position = models::PositionKind::alibi;
    shape.embedding_norm = true;
    shape.activation = models::ActivationKind::relu;
    return shape;
}

/// Central differences of the loss in some elements of every weight.
void expect_gradients_of_the_loss(const models::TransformerShape& shape) {
    Plan plan = plan_of("gpipe");
    plan.parallel.pp = 1;
    plan.training.global_batch = 2;
    plan.training.micro_batch = 2;
    const models::Model model = models::build_transformer(shape);
    const models::Software software = models::load_software(plan.software);
    const schedules::Schedule schedule = parallel::make_plan_schedule(plan);
    const Problem problem(model, plan, software, schedule);
    const ModelWeights weights = initial_weights(problem);
    const Reference reference = reference_step(problem, weights);
    EXPECT_NEAR(reference.loss, reference_loss(problem, weights), 1e-12);
    constexpr double kStep = 1e-5;
    int checked = 0;
    for (const auto& [id, w] : weights) {
        for (const bool bias : {false, true}) {
            const Matrix& whole = bias ? w.bias : w.weight;
            for (Eigen::Index i = 0; i < whole.size(); i += 1 + whole.size() / 7) {
                ModelWeights moved = weights;
                double& element = (bias ? moved.at(id).bias : moved.at(id).weight).data()[i];
                const double middle = element;
                element = middle + kStep;
                const double above = reference_loss(problem, moved);
                element = middle - kStep;
                const double below = reference_loss(problem, moved);
                const Weights& gradient = reference.gradients.at(id);
                EXPECT_NEAR((bias ? gradient.bias : gradient.weight).data()[i], (above - below) / (2 * kStep),
                            2e-8)
                    << "layer " << id.node << " operator " << id.op << " element " << i;
                ++checked;
            }
        }
    }
    EXPECT_GE(checked, 100);
}

TEST(NumericReference, HasTheGradientsOfItsLossForGpt) {
    expect_gradients_of_the_loss(small_shape(2, false));
}
TEST(NumericReference, HasTheGradientsOfItsLossForLlama) {
    expect_gradients_of_the_loss(small_shape(2, true));
}
TEST(NumericReference, HasTheGradientsOfItsLossForNormalizedKeys) {
    expect_gradients_of_the_loss(with_normalized_keys(2));
}
TEST(NumericReference, HasTheGradientsOfItsLossForLinearBiases) {
    expect_gradients_of_the_loss(with_linear_biases(2));
}

TEST(NumericReference, LearnsFromItsGradients) {
    const NumericCase one = lowered_case(plan_of("1f1b"), true);
    const Problem problem(one.model, one.plan, one.software, one.schedule);
    const Reference reference = reference_step(problem, initial_weights(problem));
    EXPECT_LT(reference_loss(problem, reference.updated), reference.loss);
    // One step of Adam moves every weight that has a gradient by its rate.
    EXPECT_NEAR(adam_first_step(1, 0.5), 1 - 0.01, 1e-9);
    EXPECT_NEAR(adam_first_step(1, -1e-3), 1 + 0.01, 1e-6);
    EXPECT_EQ(adam_first_step(1, 0), 1);
}

// --- schedules ---

TEST(NumericCheck, EveryScheduleWithAFlushComputesTheStep) {
    int checked = 0;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        for (const bool llama : {false, true}) {
            Plan plan = plan_of(entry.name, entry.default_chunks);
            plan.slices = entry.name == "terapipe" || entry.name == "seq1f1b" ? 2 : 1;
            const NumericCase one = lowered_case(plan, llama);
            if (!one.schedule.synchronous) {
                EXPECT_THROW((void)one.checked(), ExperimentError);
                continue;
            }
            expect_equal_to_the_reference(one, std::string(entry.name) + (llama ? " llama" : " gpt"));
            ++checked;
        }
    }
    EXPECT_GT(checked, 60);
}

// Both slices of a forward are one unit: the second may not overtake the first where that waits for weights.
TEST(NumericCheck, SlicesOfOneUnitFollowEachOther) {
    Plan plan = plan_of("chimera");
    plan.schedule_variant = "halving";
    plan.slices = 2;
    plan.parallel.dp = 2;
    plan.parallel.sharding = DataSharding::gradients;
    plan.training.global_batch = 16;
    plan.software = "torchtitan";
    const NumericCase one = lowered_case(plan, small_shape(8, true));
    expect_equal_to_the_reference(one, "chimera halving");
}

TEST(NumericCheck, OneTaskAKernelComputesTheSame) {
    Plan plan = plan_of("zb-h1");
    plan.parallel.tp = 2;
    plan.parallel.sequence_parallel = true;
    for (const char* software : {"megatron-core", "megatron-lm-2021", "torchtitan"}) {
        plan.software = software;
        const NumericCase one = lowered_case(plan, false, true);
        EXPECT_GT(one.lowered.program.tasks(), 4000U);
        expect_equal_to_the_reference(one, software);
    }
}

// --- parallel schemes ---

TEST(NumericCheck, EveryParallelSchemeComputesTheStep) {
    struct Scheme {
        int tp;
        bool sequence_parallel;
        int dp;
        DataSharding sharding;
        RecomputePolicy recompute;
    };
    const std::vector<Scheme> schemes = {
        {1, false, 2, DataSharding::none, RecomputePolicy::none},
        {2, false, 1, DataSharding::none, RecomputePolicy::full},
        {2, true, 1, DataSharding::none, RecomputePolicy::selective},
        {2, true, 2, DataSharding::optimizer, RecomputePolicy::none},
        {1, false, 3, DataSharding::optimizer, RecomputePolicy::full},
        {1, false, 2, DataSharding::gradients, RecomputePolicy::none},
        {2, false, 2, DataSharding::full, RecomputePolicy::full},
        {2, true, 4, DataSharding::hybrid, RecomputePolicy::selective},
    };
    for (const char* schedule : {"1f1b", "zb-h1"}) {
        for (const Scheme& scheme : schemes) {
            for (const bool llama : {false, true}) {
                Plan plan = plan_of(schedule);
                plan.parallel.pp = 2;
                plan.parallel.tp = scheme.tp;
                plan.parallel.sequence_parallel = scheme.sequence_parallel;
                plan.parallel.dp = scheme.dp;
                plan.parallel.sharding = scheme.sharding;
                plan.parallel.sharding_group = scheme.sharding == DataSharding::hybrid ? 2 : 0;
                plan.training.recompute = scheme.recompute;
                plan.training.global_batch = 4 * scheme.dp;
                plan.software = llama ? "torchtitan" : "megatron-core";
                const NumericCase one = lowered_case(plan, llama);
                expect_equal_to_the_reference(one, parallel::text_of(plan, one.model));
            }
        }
    }
}

TEST(NumericCheck, OtherModelsComputeTheStep) {
    for (const models::TransformerShape& shape : {with_normalized_keys(4), with_linear_biases(4)}) {
        for (const bool sequence_parallel : {false, true}) {
            Plan plan = plan_of("zb-h1");
            plan.parallel.tp = 2;
            plan.parallel.sequence_parallel = sequence_parallel;
            plan.parallel.dp = 2;
            plan.parallel.sharding = DataSharding::optimizer;
            plan.training.global_batch = 16;
            plan.training.recompute = RecomputePolicy::selective;
            expect_equal_to_the_reference(lowered_case(plan, shape), shape.family);
            plan.schedule = "seq1f1b";
            plan.slices = 2;
            expect_equal_to_the_reference(lowered_case(plan, shape), shape.family + " in slices");
        }
    }
}

TEST(NumericCheck, ActivationsComeBackFromTheHostAndThePartner) {
    for (const parallel::OffloadTarget target :
         {parallel::OffloadTarget::host, parallel::OffloadTarget::partner}) {
        Plan plan = plan_of("1f1b");
        plan.parallel.overlap_p2p = true;
        plan.layer_offload.assign(4, target);
        expect_equal_to_the_reference(lowered_case(plan, true), "offload");
    }
    // Later token slices read the keys and values of those that are away.
    Plan plan = plan_of("seq1f1b");
    plan.slices = 2;
    plan.layer_offload.assign(4, parallel::OffloadTarget::host);
    for (const RecomputePolicy policy : {RecomputePolicy::none, RecomputePolicy::full}) {
        plan.training.recompute = policy;
        expect_equal_to_the_reference(lowered_case(plan, true), "offload of token slices");
    }
}

/// Whatever is drawn, it passes, or it is something that the check says it does not compute.
TEST(NumericCheckProperty, DrawnPlansOfEveryScheduleComputeTheStep) {
    int checked = 0;
    std::mt19937 random(7);
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        for (int legal = 0, attempt = 0; attempt < 4000 && legal < 4; ++attempt) {
            std::optional<parallel::Case> drawn = parallel::draw_case(random, entry, false);
            if (!drawn || drawn->plan.parallel.pp > 4 ||
                drawn->plan.training.micro_batches(drawn->plan.parallel) > 8)
                continue;
            if (!drawn->schedule.synchronous) break;
            ++legal;
            const bool llama = drawn->model.shape.family == "llama";
            NumericCase one{
                models::build_transformer(small_shape(static_cast<int>(drawn->model.shape.layers), llama)),
                drawn->plan,
                drawn->software,
                drawn->schedule,
                {}};
            one.lowered = parallel::lower(one.model, one.plan, one.software, one.schedule,
                                          {false, parallel::pick(random, 0, 3) == 0, true});
            expect_equal_to_the_reference(one, drawn->text);
            ++checked;
        }
    }
    EXPECT_GT(checked, 100);
}

// --- orders ---

TEST(NumericOrder, RunsEachTaskOnceBehindWhatItWaitsFor) {
    Plan plan = plan_of("1f1b");
    plan.parallel.tp = 2;
    const NumericCase one = lowered_case(plan, false);
    const sim::Program& program = one.lowered.program;
    for (const OrderRule& rule :
         {OrderRule{OrderRule::Kind::simulated}, OrderRule{OrderRule::Kind::communication_first},
          OrderRule{OrderRule::Kind::communication_last, 0, true}, OrderRule{OrderRule::Kind::random, 5}}) {
        std::vector<std::vector<char>> done;
        for (std::size_t r = 0; r < program.ranks.size(); ++r)
            done.emplace_back(program.program_of(sim::RankId(r)).size(), 0);
        Order order(program, nullptr, rule);
        std::uint64_t count = 0;
        while (const std::optional<Event> event = order.next()) {
            for (const auto& [rank, task] : event->sides) {
                EXPECT_EQ(done[rank()][task()], 0);
                for (const sim::TaskId other : program.program_of(rank).dependencies(task))
                    EXPECT_EQ(done[rank()][other()], 1) << rule.name();
            }
            for (const auto& [rank, task] : event->sides) done[rank()][task()] = 1;
            count += event->sides.size();
        }
        EXPECT_EQ(count, program.tasks()) << rule.name();
    }
}

// --- what is not computed ---

TEST(NumericCheck, SaysWhatItDoesNotCompute) {
    Plan plan = plan_of("1f1b");
    plan.parallel.cp = 2;
    EXPECT_THROW((void)lowered_case(plan, true).checked(), ExperimentError);
    plan.parallel.cp = 1;
    NumericCase one = lowered_case(plan, true);
    one.model.shape.position = models::PositionKind::relative;
    EXPECT_THROW((void)one.checked(), ExperimentError);
    // Two heads of keys on four ranks.
    plan.parallel.tp = 4;
    EXPECT_THROW((void)lowered_case(plan, true).checked(), ExperimentError);
}

}  // namespace
}  // namespace orrery::study::numeric
