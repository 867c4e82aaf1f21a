// What must hold of a model with branches, laid side by side or in sequence.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "models/emit.hpp"
#include "random_towers.hpp"
#include "schedules/evaluate.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"

namespace orrery::parallel {
namespace {

constexpr int kCases = 12;

struct Span {
    int count = 0;
    double start = 0;
    double end = 0;
};

/// (node, micro-batch, is it a forward) -> when.
using Passes = std::map<std::tuple<int, int, bool>, Span>;

Passes passes_of(const sim::Program& program, const sim::Timeline& timeline) {
    Passes found;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            const sim::TaskLabel& label = tasks.label[task];
            if (!is_compute(tasks, task) || label.layer < 0 || label.micro_batch < 0) continue;
            if (label.phase == sim::Phase::backward_weight || label.phase == sim::Phase::recompute) continue;
            Span& span = found[{label.layer, label.micro_batch, label.phase == sim::Phase::forward}];
            if (span.count++ == 0) span.start = timeline.start[program.first_task[r] + task];
            span.end = timeline.end[program.first_task[r] + task];
        }
    }
    return found;
}

TEST(Branches, ComputeEachLayerOnceEachWayAlongEveryEdge) {
    for_every_branched_case(1, kCases, true, [](const Case& one) {
        const Lowered lowered = one.lowered(true, false);
        const sim::Timeline timeline = sim::replay(lowered.program, simple_costs(lowered.program));
        Passes passes = passes_of(lowered.program, timeline);
        for (int node = 0; node < static_cast<int>(one.model.nodes.size()); ++node)
            for (int k = 0; k < one.schedule.micro_batches; ++k) {
                const Span forward = passes[{node, k, true}];
                const Span backward = passes[{node, k, false}];
                ASSERT_EQ(forward.count, 1) << one.text << " node " << node;
                // An embedding has no input gradient, so its pass may be empty where it is split.
                const bool data = one.model.nodes[static_cast<std::size_t>(node)].inputs.empty();
                ASSERT_TRUE(backward.count == 1 || data) << one.text << " node " << node;
                ASSERT_TRUE(backward.count == 0 || forward.end <= backward.start) << one.text;
                for (const int input : one.model.nodes[static_cast<std::size_t>(node)].inputs) {
                    ASSERT_LE((passes[{input, k, true}].end), forward.start) << one.text;
                    const Span above = passes[{input, k, false}];
                    ASSERT_TRUE(above.count == 0 || backward.end <= above.start) << one.text;
                }
            }
    });
}

/// Bytes of a node's output for a micro-batch of one sample, by hand.
double output_of(const Case& one, int node) {
    const models::Layer& layer = one.model.layer(node);
    return 2.0 * static_cast<double>(layer.pooled ? 1 : layer.tokens) * static_cast<double>(layer.width);
}

/// All that one micro-batch moves, both ways: on a graph of stages each output once to each stage that reads
/// it; in sequence whatever is above and is read below each boundary.
double bytes_by_hand(const Case& one, const std::vector<std::vector<int>>& stages) {
    std::map<int, int> stage_of;
    for (std::size_t stage = 0; stage < stages.size(); ++stage)
        for (const int node : stages[stage]) stage_of[node] = static_cast<int>(stage);
    std::set<std::pair<int, int>> moved;  // (node, stage that receives it)
    for (int node = 0; node < static_cast<int>(one.model.nodes.size()); ++node)
        for (const int input : one.model.nodes[static_cast<std::size_t>(node)].inputs) {
            const int first = on_graph(one) ? stage_of[node] : stage_of[input] + 1;
            for (int stage = first; stage <= stage_of[node]; ++stage)
                if (stage != stage_of[input]) moved.emplace(input, stage);
        }
    double bytes = 0;
    for (const auto& [node, stage] : moved) bytes += 2 * output_of(one, node);
    return bytes;
}

TEST(Branches, SendWhatIsReceivedAndNoMoreThanTheirOutputs) {
    for_every_branched_case(2, kCases, true, [](const Case& one) {
        const Lowered lowered = one.lowered(false, false);
        const sim::Program& program = lowered.program;
        ASSERT_NO_THROW(sim::validate(program)) << one.text;
        std::map<std::size_t, double> sent, received;  // by communicator
        double all = 0;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            for (std::size_t task = 0; task < tasks.size(); ++task) {
                const auto* work = std::get_if<sim::Collective>(&program.works[tasks.work[task]()]);
                if (work == nullptr || work->kind != sim::CollectiveKind::send_recv) continue;
                const bool sends = tasks.streams[tasks.stream[task]()].kind == sim::StreamKind::pp_send;
                (sends ? sent : received)[program.ranks[r].communicators[tasks.communicator_slot[task]]()] +=
                    work->bytes;
                if (sends) all += work->bytes;
            }
        }
        EXPECT_EQ(sent, received) << one.text;
        EXPECT_NEAR(all, one.schedule.micro_batches * bytes_by_hand(one, lowered.stage_layers), 1e-6)
            << one.text;
    });
}

TEST(Branches, GiveBackAllMemoryTheyTake) {
    for_every_branched_case(3, kCases, false, [](const Case& one) {
        const Lowered lowered = one.lowered(true, true);
        const sim::Timeline timeline = sim::replay(lowered.program, simple_costs(lowered.program));
        for (const sim::RankMemory& rank : sim::measure_memory(lowered.program, timeline).per_rank)
            EXPECT_NEAR(rank.end_bytes, rank.static_bytes, 1e-9 * rank.static_bytes) << one.text;
    });
}

TEST(Branches, TakeAsLongFoldedAsWhole) {
    for_every_branched_case(4, kCases, false, [](const Case& one) {
        const Lowered folded = one.lowered(true, false);
        const Lowered whole = one.lowered(false, false);
        expect_same_step(folded, whole, one.text);
    });
}

/// Every block takes as long as any other here, whatever its size: a stage's work is its blocks.
TEST(Branches, TakeTheTimeOfTheBareScheduleWhereCommunicationIsFree) {
    const PassTimes pass{3, 4, 2.5};
    for_every_branched_case(5, kCases, true, [&](const Case& one) {
        const Lowered lowered = one.lowered(true, false);
        const sim::Timeline timeline =
            sim::replay(lowered.program, block_costs(lowered.program, one.model, pass));
        const double mean =
            static_cast<double>(one.model.shape.blocks()) / static_cast<double>(lowered.stage_layers.size());
        schedules::Schedule bare = one.schedule;
        for (const std::vector<int>& nodes : lowered.stage_layers) {
            double blocks = 0;
            for (const int node : nodes)
                blocks += one.model.layer(node).kind == models::LayerKind::block ? 1 : 0;
            bare.stage_work.push_back(blocks / mean);
        }
        schedules::ActionTimes times;
        times.forward = mean * pass.forward;
        times.backward_input = mean * pass.input;
        times.backward_weight = mean * pass.weight;
        const double expected = schedules::evaluate(bare, times).makespan;
        EXPECT_NEAR(timeline.makespan(), expected, 1e-9 * expected) << one.text;
    });
}

Case equal_branches(const std::string& schedule, int towers, int length, int trunk, int m) {
    std::mt19937 random(7);
    Case one;
    one.plan.schedule = schedule;
    one.plan.parallel.overlap_p2p = true;
    one.plan.parallel.pp = towers * length + trunk;
    one.plan.parallel.sharding = DataSharding::none;
    one.plan.training.global_batch = m;
    one.plan.partition.assign(static_cast<std::size_t>(one.plan.parallel.pp), 1);
    one.model = models::build_transformer(
        towers_shape(random, std::vector<int>(static_cast<std::size_t>(towers), length), trunk));
    one.software = models::load_software(one.plan.software);
    one.schedule = make_plan_schedule(one.plan, one.model);
    return one;
}

double time_of(const Case& one, const PassTimes& pass) {
    const Lowered lowered = one.lowered(true, false);
    return sim::replay(lowered.program, block_costs(lowered.program, one.model, pass)).makespan();
}

/// b branches of L stages and a trunk of T: a pipeline of L + T stages side by side, of bL + T in sequence
/// (Jeon et al. 2025, section 3: depth).
TEST(Branches, FillAPipelineOfTheirDepthNotOfTheirNumber) {
    const PassTimes pass{3, 4, 2.5};
    const double each = pass.forward + pass.input + pass.weight;
    for (const int towers : {2, 3, 4})
        for (const int length : {1, 2, 3})
            for (const int m : {1, 4, 9}) {
                const int trunk = 2;
                EXPECT_NEAR(time_of(equal_branches("graphpipe", towers, length, trunk, m), pass),
                            (m + length + trunk - 1) * each, 1e-9);
                EXPECT_NEAR(time_of(equal_branches("1f1b", towers, length, trunk, m), pass),
                            (m + towers * length + trunk - 1) * each, 1e-9);
            }
}

/// Two towers of L stages and a loss on the second's last: the first is one stage deeper.
TEST(Branches, RunTowersOfAContrastiveModelBesideEachOther) {
    const PassTimes pass{3, 4, 2.5};
    const double each = pass.forward + pass.input + pass.weight;
    for (const int length : {1, 2, 4})
        for (const int m : {1, 4, 9}) {
            EXPECT_NEAR(time_of(equal_branches("distmm", 2, length, 0, m), pass), (m + length) * each, 1e-9);
            EXPECT_NEAR(time_of(equal_branches("gpipe", 2, length, 0, m), pass), (m + 2 * length - 1) * each,
                        1e-9);
        }
}

TEST(Branches, CompareTheWholeBatchBetweenForwardsAndBackwards) {
    std::mt19937 random(8);
    for (int i = 0; i < 20; ++i) {
        Case one = draw_towers(random, i % 2 == 0 ? "distmm" : "gpipe", true, true);
        one.plan.parallel.dp = pick(random, 1, 3);
        one.plan.training.global_batch *= one.plan.parallel.dp;
        const Lowered lowered = one.lowered(false, true);
        const sim::Program& program = lowered.program;
        const sim::Timeline timeline = sim::replay(program, simple_costs(program));
        const auto loss = static_cast<int>(one.model.nodes.size()) - 1;
        const double samples = static_cast<double>(one.plan.training.global_batch);
        double flops = 0, gathered = 0, scattered = 0, start = 1e9, end = 0;
        double last_forward = 0, first_backward = 1e9;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            for (std::size_t task = 0; task < tasks.size(); ++task) {
                const sim::TaskLabel& label = tasks.label[task];
                if (label.layer != loss) continue;
                const std::uint64_t id = program.first_task[r] + task;
                if (label.micro_batch >= 0) {
                    if (label.phase == sim::Phase::forward)
                        last_forward = std::max(last_forward, timeline.end[id]);
                    else
                        first_backward = std::min(first_backward, timeline.start[id]);
                    continue;
                }
                start = std::min(start, timeline.start[id]);
                end = std::max(end, timeline.end[id]);
                const sim::Work& work = program.works[tasks.work[task]()];
                if (const auto* kernels = std::get_if<sim::KernelSequence>(&work))
                    for (const Kernel& kernel : kernels->kernels) flops += kernel.flops;
                if (const auto* moved = std::get_if<sim::Collective>(&work))
                    (moved->kind == sim::CollectiveKind::all_gather ? gathered : scattered) += moved->bytes;
            }
        }
        // Each of two directions: samples x samples similarities of width 16, and two gradients of as many.
        EXPECT_NEAR(flops, 2 * 3 * 2 * samples * samples * 16, 1e-3) << one.text;
        const double bytes = one.plan.parallel.dp == 1 ? 0 : one.plan.parallel.dp * samples * 2 * 16 * 2;
        EXPECT_EQ(gathered, bytes) << one.text;
        EXPECT_EQ(scattered, bytes) << one.text;
        EXPECT_GE(end, start);
        EXPECT_GE(start, last_forward - 1e-12) << one.text;
        EXPECT_GE(first_backward, end - 1e-12) << one.text;
        EXPECT_LE(last_forward, first_backward) << one.text;
    }
}

TEST(Branches, RefuseASchedulesBackwardBeforeTheBatchIsThere) {
    std::mt19937 random(9);
    for (const char* schedule : {"1f1b", "graphpipe", "zb-h1"}) {
        Case one = draw_towers(random, "gpipe", true, true);
        one.plan.schedule = schedule;
        one.plan.parallel.pp = 2;
        one.plan.training.global_batch = 8;
        one.schedule = make_plan_schedule(one.plan, one.model);
        EXPECT_THROW((void)one.lowered(true, false), ExperimentError) << schedule;
    }
}

/// Bytes of activations that the forwards of a node leave, with one stage.
double activations_of(const Lowered& lowered, int node) {
    const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(0));
    double bytes = 0;
    for (const sim::MemoryEvent& event : tasks.memory)
        if (event.kind == sim::MemoryKind::activations && event.bytes > 0 &&
            tasks.label[event.task()].layer == node)
            bytes += event.bytes;
    return bytes;
}

/// FLOPs of the node's kernels.
double flops_of(const Lowered& lowered, int node) {
    const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(0));
    double flops = 0;
    for (std::size_t task = 0; task < tasks.size(); ++task) {
        const auto* kernels = std::get_if<sim::KernelSequence>(&lowered.program.works[tasks.work[task]()]);
        if (kernels == nullptr || tasks.label[task].layer != node) continue;
        for (const Kernel& kernel : kernels->kernels) flops += kernel.flops;
    }
    return flops;
}

/// A tower's block is that of a model of the tower's size alone.
TEST(Branches, HaveTheShapesOfTheirTowers) {
    std::mt19937 random(10);
    for (int i = 0; i < 20; ++i) {
        Case one = draw_towers(random, "1f1b", false, true);
        one.plan.parallel.pp = 1;
        one.plan.training.micro_batch = 2;
        one.plan.training.global_batch = 4;
        one.plan.training.recompute = i % 2 == 0 ? RecomputePolicy::none : RecomputePolicy::full;
        one.schedule = make_plan_schedule(one.plan, one.model);
        const Lowered all = one.lowered(true, false);
        for (const models::TransformerShape& tower : one.model.shape.towers) {
            Case alone = one;
            models::TransformerShape shape = tower;
            shape.patches = {};
            alone.model = models::build_transformer(shape);
            const Lowered single = alone.lowered(true, false);
            for (int node = 0; node < static_cast<int>(one.model.nodes.size()); ++node) {
                if (one.model.layer(node).name != tower.name + " block") continue;
                EXPECT_EQ(activations_of(all, node), activations_of(single, 1)) << one.text;
                EXPECT_EQ(flops_of(all, node), flops_of(single, 1)) << one.text;
            }
        }
    }
}

}  // namespace
}  // namespace orrery::parallel
