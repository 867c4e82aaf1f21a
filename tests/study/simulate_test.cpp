// The whole way down, from experiments to timelines: what must hold whatever the plan.
#include "study/simulate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <tuple>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "random_experiment.hpp"
#include "report/json.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"
#include "sim/metrics/metrics.hpp"
#include "study/stage_times.hpp"

namespace orrery::study {
namespace {

constexpr int kDraws = 120;

Simulation simulated(Experiment experiment, bool fold, Granularity granularity) {
    experiment.fold = fold;
    experiment.granularity = granularity;
    return simulate(experiment);
}

void expect_close(double a, double b, double tolerance, const std::string& what) {
    EXPECT_NEAR(a, b, tolerance * std::max({std::abs(a), std::abs(b), 1e-12})) << what;
}

TEST(Folding, ChangesNothing) {
    std::mt19937 random(1);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const Simulation folded = simulated(e, true, Granularity::layer);
        const Simulation whole = simulated(e, false, Granularity::layer);
        ASSERT_EQ(whole.lowered.program.ranks.size(), static_cast<std::size_t>(e.plan.parallel.gpus()));
        EXPECT_EQ(folded.timeline.makespan(), whole.timeline.makespan()) << e.description;
        const report::Result a = summarize(e, folded);
        const report::Result b = summarize(e, whole);
        EXPECT_EQ(a.step_time_s, b.step_time_s);
        EXPECT_EQ(a.mfu, b.mfu);
        EXPECT_EQ(a.memory.peak_bytes, b.memory.peak_bytes) << e.description;
        expect_close(a.bubble_ratio, b.bubble_ratio, 1e-12, e.description);
        expect_close(a.breakdown.compute_s, b.breakdown.compute_s, 1e-12, e.description);
        expect_close(a.breakdown.exposed_comm_s.total(), b.breakdown.exposed_comm_s.total(), 1e-9,
                     e.description);
        ASSERT_EQ(a.per_stage.size(), b.per_stage.size());
        for (std::size_t s = 0; s < a.per_stage.size(); ++s) {
            expect_close(a.per_stage[s].breakdown.bubble_s, b.per_stage[s].breakdown.bubble_s, 1e-9,
                         e.description);
            EXPECT_EQ(report::total_bytes(a.per_stage[s].peak_by_kind_bytes),
                      report::total_bytes(b.per_stage[s].peak_by_kind_bytes));
        }
    }
}

TEST(Granularity, OfKernelsAndOfLayersGiveTheSameStep) {
    std::mt19937 random(2);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const Simulation kernels = simulated(e, true, Granularity::kernel);
        const Simulation layers = simulated(e, true, Granularity::layer);
        EXPECT_GE(kernels.lowered.program.tasks(), layers.lowered.program.tasks());
        const double plain = sim::replay(kernels.lowered.program, kernels.prices.costs).makespan();
        expect_close(plain, sim::replay(layers.lowered.program, layers.prices.costs).makespan(), 1e-9,
                     e.description);
        // Contention is a fixed point, found to 1e-6.
        expect_close(kernels.timeline.makespan(), layers.timeline.makespan(), 1e-5, e.description);
    }
}

TEST(Programs, KeepTheRulesOfStreamsAndPipelines) {
    std::mt19937 random(3);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const Simulation s = simulated(e, false, Granularity::layer);
        const sim::Program& program = s.lowered.program;
        ASSERT_NO_THROW(sim::validate(program)) << e.description;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            std::vector<double> free(tasks.streams.size(), 0);
            std::map<std::tuple<int, int>, double> forward_end;  // (layer, micro-batch)
            for (std::uint32_t t = 0; t < tasks.size(); ++t) {
                const double start = s.timeline.start[program.first_task[r] + t];
                const double end = s.timeline.end[program.first_task[r] + t];
                double& stream = free[tasks.stream[t]()];
                ASSERT_LE(stream, start) << e.description;
                ASSERT_LE(start, end);
                stream = end;
                const sim::TaskLabel& label = tasks.label[t];
                const bool compute = tasks.streams[tasks.stream[t]()].kind == sim::StreamKind::compute;
                if (!compute || label.layer < 0 || label.micro_batch < 0) continue;
                const auto key = std::make_tuple(label.layer, label.micro_batch);
                if (label.phase == sim::Phase::forward) forward_end[key] = end;
                if (label.phase == sim::Phase::backward) {
                    ASSERT_TRUE(forward_end.contains(key)) << e.description;
                    ASSERT_LE(forward_end[key], start) << e.description;
                }
            }
        }
    }
}

TEST(Programs, ReceiveEveryByteThatIsSent) {
    std::mt19937 random(4);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const Simulation s = simulated(e, false, Granularity::layer);
        const sim::Program& program = s.lowered.program;
        std::map<std::size_t, double> sent, received;  // by communicator
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            for (std::uint32_t t = 0; t < tasks.size(); ++t) {
                const sim::StreamKind kind = tasks.streams[tasks.stream[t]()].kind;
                if (kind != sim::StreamKind::pp_send && kind != sim::StreamKind::pp_recv) continue;
                const auto* work = std::get_if<sim::Collective>(&program.works[tasks.work[t]()]);
                ASSERT_NE(work, nullptr);
                auto& side = kind == sim::StreamKind::pp_send ? sent : received;
                side[program.ranks[r].communicators[tasks.communicator_slot[t]]()] += work->bytes;
            }
        }
        EXPECT_EQ(sent, received) << e.description;
        EXPECT_EQ(sent.empty(), e.plan.parallel.pp == 1) << e.description;
    }
}

TEST(Programs, GiveBackAllMemoryTheyTake) {
    std::mt19937 random(5);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const Simulation s = simulated(e, true, Granularity::kernel);
        for (const sim::RankMemory& rank : measure_memory(s.lowered.program, s.timeline).per_rank) {
            expect_close(rank.end_bytes, rank.static_bytes, 1e-9, e.description);
        }
    }
}

// --- closed forms ---

constexpr double kForward = 1;
constexpr double kBackward = 2;

/// Every block's forward costs 1 and its backward 2; everything else, the network and the host are free.
sim::WorkCosts bare_costs(const sim::Program& program, const models::Model& model) {
    sim::WorkCosts costs(program.works.size());
    for (const sim::RankProgram& tasks : program.rank_programs) {
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            const sim::TaskLabel& label = tasks.label[t];
            const bool compute = tasks.streams[tasks.stream[t]()].kind == sim::StreamKind::compute;
            if (!compute || label.layer < 0 || model.layer(label.layer).kind != models::LayerKind::block)
                continue;
            const double cost = label.phase == sim::Phase::forward ? kForward : kBackward;
            costs[tasks.work[t]()] = {cost, 0, cost};
        }
    }
    return costs;
}

void expect_closed_form(const std::string& schedule, int p, int m, int v) {
    const std::string yaml = fmt::format(
        "model: {{family: gpt, layers: {}, hidden: 64, heads: 4, vocab: 512, seq_length: 32}}\n"
        "cluster: {{node: dgx-a100, gpus: {}, nodes: {}}}\n"
        "parallel: {{tp: 1, pp: {}}}\n"
        "schedule: {{name: {}, vpp: {}}}\n"
        "training: {{global_batch: {}, micro_batch: 1}}\n",
        p * v, p, p, p, schedule, v, m);
    Experiment e = parse_experiment(yaml, "bare.yaml");
    e.granularity = Granularity::layer;
    const Simulation s = simulate(e);
    const sim::WorkCosts costs = bare_costs(s.lowered.program, s.model);
    const sim::Timeline timeline = sim::replay(s.lowered.program, costs);
    const sim::Metrics metrics = sim::measure(s.lowered.program, timeline, costs);
    const double slot = kForward + kBackward;
    EXPECT_NEAR(timeline.makespan(), (m * v + p - 1) * slot, 1e-9) << yaml;
    EXPECT_NEAR(metrics.bubble_ratio, (p - 1.0) / (m * v + p - 1.0), 1e-9) << yaml;
    EXPECT_NEAR(metrics.bubble_overhead, (p - 1.0) / (m * v), 1e-9) << yaml;
}

TEST(Bubble, OfGpipeAndOneForwardOneBackwardIsTheClosedForm) {
    for (const char* schedule : {"gpipe", "1f1b"}) {
        for (const int p : {1, 2, 3, 4, 5, 8, 16, 32}) {
            for (const int m : {1, 2, 3, 7, 8, 32, 100}) expect_closed_form(schedule, p, m, 1);
        }
    }
    expect_closed_form("1f1b", 32, 256, 1);
    expect_closed_form("gpipe", 32, 256, 1);
}

TEST(Bubble, OfInterleavedIsTheClosedForm) {
    for (const int p : {2, 3, 4, 8, 16}) {
        for (const int v : {2, 3, 8}) {
            for (const int times : {1, 2, 5}) expect_closed_form("interleaved-1f1b", p, p * times, v);
        }
    }
    expect_closed_form("interleaved-1f1b", 32, 256, 8);
}

// --- memory of a whole stage ---

/// The first stage of a 1F1B pipeline holds p micro-batches of its layers' activations (Korthikanti et al.
/// 2022, section 4.3).
TEST(Memory, OfTheFirstStageHoldsAsManyMicroBatchesAsThePipelineIsDeep) {
    const std::string yaml =
        "model: {base: megatron-22b, layers: 16, dropout: 0.1}\n"
        "cluster: {node: dgx-a100, nodes: 4}\n"
        "parallel: {tp: 8, pp: 4, sequence_parallel: true}\n"
        "training: {global_batch: 16, micro_batch: 1, precision: fp16, recompute: selective}\n"
        "software: megatron-lm-2022\n";
    Experiment e = parse_experiment(yaml, "memory.yaml");
    const report::Result result = summarize(e, simulate(e));
    const double s = 2048, h = 6144, layers = 4, p = 4, t = 8;
    const double blocks = p * layers * s * h * 34 / t;
    const double embedding_dropout_mask = p * s * h / t;
    const auto kind = static_cast<std::size_t>(sim::MemoryKind::activations);
    const double activations = result.per_stage[0].peak_by_kind_bytes[kind];
    EXPECT_GE(activations, blocks);
    // Beside the blocks: the embedding's dropout mask and token numbers.
    EXPECT_LE(activations, blocks + 1.2 * embedding_dropout_mask);
}

// --- engines and determinism ---

TEST(Determinism, TheSameExperimentGivesTheSameBytes) {
    std::mt19937 random(6);
    for (int i = 0; i < 20; ++i) {
        const Experiment e = random_experiment(random);
        EXPECT_EQ(report::to_text(report::to_json(summarize(e, simulate(e)))),
                  report::to_text(report::to_json(summarize(e, simulate(e)))));
    }
}

/// The prices of a host that launches at once.
sim::WorkCosts without_launches(sim::WorkCosts costs) {
    for (sim::WorkCost& cost : costs) cost = {cost.duration_s, 0, cost.duration_s};
    return costs;
}

/// The same with every collective's duration replaced by what `timeline` says it took. Where no two
/// collectives share a link, that is the same every time.
sim::WorkCosts with_durations_of(const sim::Program& program, const sim::Timeline& timeline,
                                 sim::WorkCosts costs) {
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::uint32_t t = 0; t < tasks.size(); ++t) {
            if (tasks.communicator_slot[t] == sim::kNoCommunicator) continue;
            const std::uint64_t task = program.first_task[r] + t;
            const double duration = timeline.end[task] - timeline.start[task];
            costs[tasks.work[t]()] = {duration, 0, duration};
        }
    }
    return costs;
}

/// The engines differ in what a collective costs and in nothing else: told SimGrid's durations, replay gives
/// SimGrid's step.
TEST(Engines, AgreeOnLoweredProgramsOnceTheyAgreeOnCollectives) {
    for (const char* plan : {"{tp: 1, pp: 1, dp: 1}", "{tp: 4, pp: 1, dp: 1}", "{tp: 1, pp: 4, dp: 1}",
                             "{tp: 1, pp: 1, dp: 4, overlap_grad_reduce: false}"}) {
        const int gpus = std::string(plan) == "{tp: 1, pp: 1, dp: 1}" ? 1 : 4;
        const Experiment e = parse_experiment(
            fmt::format(
                "model: {{family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 8192, seq_length: 512}}\n"
                "cluster: {{node: dgx-a100, gpus: {}, nodes: 1}}\n"
                "parallel: {}\n"
                "training: {{global_batch: 16, micro_batch: 1}}\n"
                "granularity: layer\nfold: false\n",
                gpus, plan),
            "engines.yaml");
        const Simulation s = simulate(e);
        const sim::Program& program = s.lowered.program;
        const sim::WorkCosts costs = without_launches(s.prices.costs);
        sim::Timeline simgrid;
        try {
            simgrid = sim::simulate_with_simgrid(program, costs, e.cluster);
        } catch (const MissingCapability&) {
            GTEST_SKIP() << "built without SimGrid";
        }
        const double replayed = sim::replay(program, with_durations_of(program, simgrid, costs)).makespan();
        expect_close(replayed, simgrid.makespan(), 1e-6, plan);
    }
}

TEST(Summary, AddsUp) {
    std::mt19937 random(7);
    for (int i = 0; i < kDraws; ++i) {
        const Experiment e = random_experiment(random);
        const report::Result r = summarize(e, simulate(e));
        expect_close(r.breakdown.total(), r.step_time_s, 1e-9, e.description);
        expect_close(report::total_bytes(r.memory.by_kind_bytes), r.memory.peak_bytes, 1e-9, e.description);
        EXPECT_LE(r.mfu, r.hfu) << e.description;
        EXPECT_GT(r.mfu, 0) << e.description;
        EXPECT_LT(r.hfu, 1) << e.description;
        int layers = 0;
        for (const report::StageResult& stage : r.per_stage) layers += stage.layers;
        EXPECT_EQ(layers, e.model.layers) << e.description;
    }
}

Experiment pipeline_of(int layers, int stages, const std::string& schedule, int micro_batches) {
    return parse_experiment(
        fmt::format("model: {{family: gpt, layers: {}, hidden: 1024, heads: 16, vocab: 512, seq_length: 512, "
                    "tied_embeddings: false}}\n"
                    "cluster: {{node: dgx-a100, gpus: {}}}\n"
                    "parallel: {{pp: {}}}\n"
                    "schedule: {}\n"
                    "training: {{global_batch: {}, micro_batch: 1}}\n",
                    layers, stages, stages, schedule, micro_batches),
        "pipeline.yaml");
}

TEST(StageTimes, GrowWithTheBlocksOfAStage) {
    const StageTimes one = stage_times(pipeline_of(4, 4, "zb-auto", 8));
    const StageTimes two = stage_times(pipeline_of(8, 4, "zb-auto", 8));
    const StageTimes three = stage_times(pipeline_of(12, 4, "zb-auto", 8));
    // The host's price of a transfer comes once a micro-batch, whatever the stage holds.
    EXPECT_GT(one.backward_weight_s, 0);
    EXPECT_GT(two.forward_s, one.forward_s);
    EXPECT_GT(one.transfer_s, 0);
    EXPECT_NEAR(three.forward_s - two.forward_s, two.forward_s - one.forward_s, 1e-9 * three.forward_s);
    EXPECT_NEAR(three.backward_input_s - two.backward_input_s, two.backward_input_s - one.backward_input_s,
                1e-9 * three.backward_input_s);
    EXPECT_NEAR(three.backward_weight_s - two.backward_weight_s,
                two.backward_weight_s - one.backward_weight_s, 1e-9 * three.backward_weight_s);
    EXPECT_EQ(three.transfer_s, one.transfer_s);
}

TEST(LongestSpan, OfTheParallelogramIsAllWorkAndNoBubble) {
    // ZB-H2 with F = B = W = 1 (Qi et al. 2024, figure 3): every stage works 3 m without a pause; stage s
    // starts s late, so the makespan is p - 1 longer. Under 1F1B the first stage's span is the makespan.
    const int p = 4;
    const int m = 12;
    for (const bool zero_bubble : {true, false}) {
        Experiment e = pipeline_of(p, p, zero_bubble ? "zb-h2" : "1f1b", m);
        e.granularity = Granularity::layer;
        const Simulation s = simulate(e);
        sim::WorkCosts costs = bare_costs(s.lowered.program, s.model);
        for (sim::WorkCost& cost : costs) {
            const double unit = cost.duration_s > 0 ? 1 : 0;
            cost = {unit, 0, unit};
        }
        const sim::Timeline timeline = sim::replay(s.lowered.program, costs);
        const double span = longest_span(s.lowered.program, timeline);
        EXPECT_NEAR(span, zero_bubble ? 3.0 * m : timeline.makespan(), 1e-9);
        EXPECT_NEAR(timeline.makespan(), zero_bubble ? 3.0 * m + p - 1 : 2.0 * (m + p - 1), 1e-9);
    }
}

/// Bytes that the rank's kernels under a label move on its compute stream.
double bytes_named(const Simulation& s, const std::string& name) {
    const sim::Program& program = s.lowered.program;
    const sim::RankProgram& tasks = program.program_of(sim::RankId(0));
    double bytes = 0;
    for (std::uint32_t t = 0; t < tasks.size(); ++t) {
        if (program.names[static_cast<std::size_t>(tasks.label[t].name)] != name) continue;
        EXPECT_EQ(tasks.streams[tasks.stream[t]()].kind, sim::StreamKind::compute);
        for (const Kernel& kernel : std::get<sim::KernelSequence>(program.works[tasks.work[t]()]).kernels) {
            bytes += kernel.bytes;
        }
    }
    return bytes;
}

TEST(FullySharded, CopiesEachUnitOutOfItsGatherAndItsGradientsIntoTheirReduction) {
    Experiment e = parse_experiment(
        "model: {family: llama, layers: 4, hidden: 64, ffn_hidden: 128, heads: 4, vocab: 512, "
        "seq_length: 32}\n"
        "cluster: {node: dgx-a100}\n"
        "parallel: {dp: 8, sharding: fsdp}\n"
        "software: torchtitan\n"
        "training: {global_batch: 24, micro_batch: 1}\n",
        "units.yaml");
    const double micro_batches = 3;
    const models::Model model = models::build_transformer(e.model);
    const double all = static_cast<double>(model.parameters());
    double blocks = 0;
    for (std::size_t node = 0; node < model.nodes.size(); ++node) {
        const models::Layer& layer = model.layer(static_cast<int>(node));
        if (layer.kind != models::LayerKind::block) continue;
        for (const models::Operator& op : layer.operators) blocks += static_cast<double>(op.parameters());
    }
    // 16-bit parameters, read and written: blocks once for the forward and once for the backward, the rest
    // once.
    EXPECT_DOUBLE_EQ(bytes_named(simulate(e), "copy out gathered"),
                     4 * (2 * blocks + (all - blocks)) * micro_batches);
    // 16-bit gradients read, fp32 ones written.
    EXPECT_DOUBLE_EQ(bytes_named(simulate(e), "copy gradients"), (2 + 4) * all * micro_batches);

    e.plan.software = "llm-foundry";  // one flat parameter: no copy out, gradients stay as they are
    EXPECT_DOUBLE_EQ(bytes_named(simulate(e), "copy out gathered"), 0);
    EXPECT_DOUBLE_EQ(bytes_named(simulate(e), "copy gradients"), (2 + 2) * all * micro_batches);
}

std::string small_step(const std::string& schedule, const std::string& more = "") {
    return "model: {base: megatron-1.7b, layers: 8}\ncluster: {node: dgx-a100, nodes: 1}\n"
           "parallel: {pp: 4, dp: 2" +
           more + "}\nschedule: " + schedule + "\ntraining: {global_batch: 16}\ngranularity: layer\n";
}

TEST(Lowering, TakesEveryRegisteredScheduleByName) {
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        const Experiment e = parse_experiment(small_step(std::string(entry.name)), "schedule.yaml");
        const Simulation s = simulate(e);
        const report::Result result = summarize(e, s);
        EXPECT_GT(result.mfu, 0.05) << entry.name;
        EXPECT_LT(result.hfu, 1) << entry.name;
        expect_close(result.breakdown.total(), result.step_time_s, 1e-9, std::string(entry.name));
    }
}

TEST(Lowering, RefusesWhatHasNoMeaning) {
    // The backward needs the weights of its forward; a gather would bring newer ones.
    const Experiment e = parse_experiment(small_step("pipedream", ", sharding: fsdp"), "refused.yaml");
    EXPECT_THROW(simulate(e), ExperimentError);
    EXPECT_THROW(parse_experiment(small_step("{name: graphpipe, variant: 2x1}"), "refused.yaml"), InputError);
    EXPECT_THROW(parse_experiment(small_step("{name: 1f1b, slices: 2}"), "refused.yaml"), InputError);
}

/// Without a flush a batch takes what its busiest stage computes: no fill, no drain.
TEST(SteadyState, HasNoBubbleOnTheBusiestStage) {
    for (const char* schedule : {"pipedream", "pipedream-2bw"}) {
        for (const int m : {4, 8, 12}) {
            Experiment e = parse_experiment(
                fmt::format(
                    "model: {{family: gpt, layers: 8, hidden: 64, heads: 4, vocab: 512, seq_length: 32}}\n"
                    "cluster: {{node: dgx-a100, gpus: 4}}\nparallel: {{pp: 4, overlap_p2p: true}}\n"
                    "schedule: {}\ntraining: {{global_batch: {}}}\ngranularity: layer\n",
                    schedule, m),
                "steady.yaml");
            Simulation s = simulate(e);
            const sim::WorkCosts costs = bare_costs(s.lowered.program, s.model);
            s.timeline = sim::replay(s.lowered.program, costs);
            EXPECT_NEAR(s.step_time_s(), m * 2 * (kForward + kBackward), 1e-9) << schedule << m;
            const auto metrics = sim::measure(s.lowered.program, s.timeline, costs, s.window());
            EXPECT_NEAR(metrics.bubble_ratio, 0, 1e-9);
            EXPECT_NEAR(metrics.breakdown.compute_s, s.step_time_s(), 1e-9);
        }
    }
}

TEST(Slices, OfTerapipeAreLongerWhereTheyAttendToLess) {
    const std::string yaml =
        "model: {base: megatron-1.7b, layers: 8}\ncluster: {node: dgx-a100, gpus: 4}\nparallel: {pp: 4}\n"
        "training: {global_batch: 4, seq_length: 8192}\ngranularity: layer\nschedule: ";
    const Experiment best = parse_experiment(yaml + "{name: terapipe, slice_lengths: auto}\n", "slices.yaml");
    const std::vector<std::int64_t>& lengths = best.plan.slice_lengths;
    ASSERT_GT(lengths.size(), 1U);
    EXPECT_GE(lengths.front(), lengths.back());
    EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}), 8192);
    const Experiment whole = parse_experiment(yaml + "{name: terapipe}\n", "slices.yaml");
    EXPECT_LT(step_time(best), step_time(whole));
}

TEST(Partition, TakesMissingLayersOffTheEnds) {
    const auto blocks = [](int layers, int stages) {
        models::TransformerShape shape;
        shape.layers = layers;
        shape.hidden = 64;
        shape.heads = 4;
        const models::Model model = models::build_transformer(shape);
        std::vector<int> counts;
        for (const std::vector<int>& nodes : parallel::partition(model, stages)) {
            counts.push_back(0);
            for (const int node : nodes) counts.back() += model.layer(node).kind == models::LayerKind::block;
        }
        return counts;
    };
    EXPECT_EQ(blocks(8, 4), (std::vector<int>{2, 2, 2, 2}));
    EXPECT_EQ(blocks(7, 4), (std::vector<int>{2, 2, 2, 1}));
    EXPECT_EQ(blocks(6, 4), (std::vector<int>{1, 2, 2, 1}));
    EXPECT_EQ(blocks(5, 4), (std::vector<int>{1, 2, 1, 1}));
    EXPECT_EQ(blocks(126, 16).front(), 7);
    EXPECT_EQ(blocks(126, 16)[1], 8);
    EXPECT_EQ(blocks(126, 16).back(), 7);
    EXPECT_EQ(blocks(126, 128).front(), 0);
    EXPECT_EQ(blocks(126, 128).back(), 0);
}

}  // namespace
}  // namespace orrery::study
