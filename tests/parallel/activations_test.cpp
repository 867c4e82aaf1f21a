// Activations that are sliced, recomputed, or moved away: what becomes of the tasks and of the memory.
#include <gtest/gtest.h>

#include <map>

#include "core/error.hpp"
#include "models/emit.hpp"
#include "random_lowering.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"

namespace orrery::parallel {
namespace {

Case case_of(const std::string& schedule, int pp, int m, int layers, const Plan& given = {}) {
    Case one;
    one.plan = given;
    one.plan.schedule = schedule;
    one.plan.parallel.pp = pp;
    one.plan.parallel.overlap_p2p = true;
    one.plan.training.global_batch = m;
    one.model = models::build_transformer(tiny_shape(layers, true));
    one.software = models::load_software(one.plan.software);
    one.schedule = make_plan_schedule(one.plan);
    return one;
}

sim::Timeline run(const Lowered& lowered) {
    return sim::replay(lowered.program, simple_costs(lowered.program));
}

std::vector<double> peaks(const Lowered& lowered) {
    std::vector<double> bytes;
    for (const sim::RankMemory& rank : sim::measure_memory(lowered.program, run(lowered)).per_rank)
        bytes.push_back(rank.peak_bytes - rank.static_bytes);
    return bytes;
}

/// Sums over the tasks of a rank whose phase and stream are these.
double bytes_moved(const Lowered& lowered, std::size_t rank, sim::StreamKind kind) {
    const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(rank));
    double bytes = 0;
    for (std::size_t task = 0; task < tasks.size(); ++task) {
        if (tasks.streams[tasks.stream[task]()].kind != kind) continue;
        const sim::Work& work = lowered.program.works[tasks.work[task]()];
        if (const auto* copy = std::get_if<sim::Copy>(&work)) bytes += copy->bytes;
        if (const auto* transfer = std::get_if<sim::Collective>(&work)) bytes += transfer->bytes;
    }
    return bytes;
}

/// FLOPs of the attention kernels of one pass over all slices.
double attention_flops(const Lowered& lowered, sim::Phase phase, std::map<int, double>& by_slice) {
    double flops = 0;
    for (std::size_t r = 0; r < lowered.program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(r));
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            const auto* sequence =
                std::get_if<sim::KernelSequence>(&lowered.program.works[tasks.work[task]()]);
            if (sequence == nullptr || tasks.label[task].phase != phase) continue;
            for (const Kernel& kernel : sequence->kernels) {
                if (kernel.kind != KernelKind::attention) continue;
                flops += kernel.flops;
                by_slice[tasks.label[task].slice] += kernel.flops;
            }
        }
    }
    return flops;
}

TEST(Slices, TogetherAttendToWhatTheWholeSequenceDoesAndLaterOnesToMore) {
    for (const char* schedule : {"terapipe", "seq1f1b"}) {
        for (const sim::Phase phase : {sim::Phase::forward, sim::Phase::backward}) {
            Plan plan;
            plan.slices = 4;
            plan.slice_lengths = {8, 8, 8, 8};
            std::map<int, double> whole, sliced;
            const double a = attention_flops(case_of("gpipe", 2, 3, 4).lowered(true, true), phase, whole);
            const double b =
                attention_flops(case_of(schedule, 2, 3, 4, plan).lowered(true, true), phase, sliced);
            EXPECT_NEAR(a, b, 1e-9 * a) << schedule;
            ASSERT_EQ(sliced.size(), 4U);
            // Queries of slice i see i whole slices and half of their own.
            for (int i = 0; i < 4; ++i)
                EXPECT_NEAR(sliced[i], a * (2 * i + 1) / 16, 1e-9 * a) << schedule << i;
        }
    }
}

TEST(Slices, OfUnequalLengthSendTheirOwnTokens) {
    Plan plan;
    plan.slices = 3;
    plan.slice_lengths = {20, 8, 4};
    const Lowered lowered = case_of("terapipe", 2, 2, 4, plan).lowered(true, false);
    // Forward from stage 0, gradients from stage 1: 32 tokens of 64 16-bit numbers, of two micro-batches.
    EXPECT_EQ(bytes_moved(lowered, 0, sim::StreamKind::pp_send), 2 * 32 * 64 * 2);
    EXPECT_EQ(bytes_moved(lowered, 1, sim::StreamKind::pp_send), 2 * 32 * 64 * 2);
    std::map<double, int> sizes;
    for (const sim::Work& work : lowered.program.works)
        if (const auto* transfer = std::get_if<sim::Collective>(&work)) ++sizes[transfer->bytes];
    EXPECT_EQ(sizes.size(), 3U);
}

TEST(Slices, AreCutAsEquallyAsTheTensorParallelRanksAllow) {
    Plan plan;
    plan.slices = 3;
    EXPECT_EQ(slice_lengths(plan, 32), (std::vector<std::int64_t>{11, 11, 10}));
    plan.parallel.tp = 4;
    plan.parallel.sequence_parallel = true;
    EXPECT_EQ(slice_lengths(plan, 32), (std::vector<std::int64_t>{12, 12, 8}));
}

TEST(Eviction, OfBPipeMovesWholeStagesToThePartnerAndBalancesMemory) {
    const int p = 6, m = 12, layers = 6;
    const std::vector<double> plain = peaks(case_of("1f1b", p, m, layers).lowered(true, false));
    const Case one = case_of("bpipe", p, m, layers);
    const Lowered lowered = one.lowered(true, false);
    const std::vector<double> balanced = peaks(lowered);
    EXPECT_LT(balanced[0], plain[0]);
    EXPECT_GT(balanced[5], plain[5]);
    // What leaves a device comes back, and the partner moves the same bytes the other way.
    for (std::size_t stage = 0; stage < 6; ++stage) {
        const double out = bytes_moved(lowered, stage, sim::StreamKind::copy_out);
        EXPECT_EQ(out, bytes_moved(lowered, stage, sim::StreamKind::copy_in));
        EXPECT_EQ(out, bytes_moved(lowered, 5 - stage, sim::StreamKind::copy_in));
    }
    int evictions = 0;
    for (const schedules::Action& action : one.schedule.orders[0])
        evictions += action.kind == schedules::ActionKind::evict;
    ASSERT_GT(evictions, 0);
    // Each eviction of stage 0 moves all that its layers keep of a micro-batch.
    models::LocalShape shape;
    shape.seq = shape.keys = 32;
    double stage_bytes = 0;
    for (const int type : {0, 1})
        for (const models::Operator& op : one.model.types[static_cast<std::size_t>(type)].operators)
            stage_bytes += models::saved_activation_bytes(op, shape, one.software, false);
    EXPECT_NEAR(bytes_moved(lowered, 0, sim::StreamKind::copy_out), evictions * stage_bytes, 1e-6);
}

TEST(Offload, LayerByLayerMovesWhatTheLayerKeepsThereAndBack) {
    for (const OffloadTarget target : {OffloadTarget::host, OffloadTarget::partner}) {
        for (const char* schedule : {"gpipe", "1f1b", "zb-h1", "varuna", "interleaved-1f1b"}) {
            Plan plan;
            if (std::string(schedule) == "interleaved-1f1b") plan.parallel.vpp = 2;
            const int layers = 8;
            const std::vector<double> plain =
                peaks(case_of(schedule, 4, 8, layers, plan).lowered(true, false));
            plan.layer_offload.assign(layers, OffloadTarget::none);
            plan.layer_offload[2] = plan.layer_offload[3] = target;
            const Case one = case_of(schedule, 4, 8, layers, plan);
            const Lowered lowered = one.lowered(true, false);
            ASSERT_NO_THROW(sim::validate(lowered.program)) << schedule;
            double moved = 0;
            for (std::size_t rank = 0; rank < 4; ++rank) {
                const double out = bytes_moved(lowered, rank, sim::StreamKind::copy_out);
                EXPECT_EQ(out, bytes_moved(lowered, rank, sim::StreamKind::copy_in)) << schedule;
                moved += out;
            }
            EXPECT_GT(moved, 0) << schedule;
            if (std::string(schedule) == "gpipe") {
                EXPECT_LT(peaks(lowered)[1], plain[1]);
            }
            const sim::Timeline timeline = run(lowered);
            for (const sim::RankMemory& rank : sim::measure_memory(lowered.program, timeline).per_rank)
                EXPECT_NEAR(rank.end_bytes, rank.static_bytes, 1e-6) << schedule;
        }
    }
}

TEST(Offload, ToItselfHasNoMeaning) {
    Plan plan;
    plan.layer_offload.assign(3, OffloadTarget::partner);
    EXPECT_THROW((void)case_of("1f1b", 3, 4, 3, plan).lowered(true, false), ExperimentError);
    plan.offload_partner = {1, 2, 0};
    EXPECT_NO_THROW((void)case_of("1f1b", 3, 4, 3, plan).lowered(true, false));
}

TEST(Recomputation, OfVarunaRunsTheStageAgainAndKeepsItsInputOnly) {
    const Case one = case_of("varuna", 4, 8, 8);
    const Lowered lowered = one.lowered(true, false);
    std::size_t planned = 0, again = 0;
    for (std::size_t r = 0; r < 4; ++r) {
        for (const schedules::Action& action : one.schedule.orders[r])
            planned += action.kind == schedules::ActionKind::recompute;
        const sim::RankProgram& tasks = lowered.program.program_of(sim::RankId(r));
        for (std::size_t task = 0; task < tasks.size(); ++task)
            again += is_block_pass(one.model, tasks, task) &&
                     tasks.label[task].phase == sim::Phase::recompute &&
                     has_kernels(lowered.program.works[tasks.work[task]()]);
    }
    EXPECT_EQ(again, 2 * planned);  // two blocks a stage
    const std::vector<double> kept = peaks(case_of("1f1b", 4, 8, 8).lowered(true, false));
    EXPECT_LT(peaks(lowered)[0], kept[0]);
}

TEST(Recomputation, LayerByLayerTakesItsOwnTimeAndMemory) {
    Plan plan;
    plan.layer_recompute.assign(8, RecomputePolicy::none);
    double before = peaks(case_of("gpipe", 2, 8, 8, plan).lowered(true, false))[0];
    double time = run(case_of("gpipe", 2, 8, 8, plan).lowered(true, false)).makespan();
    for (std::size_t layer = 0; layer < 4; ++layer) {
        plan.layer_recompute[layer] = RecomputePolicy::full;
        const Lowered lowered = case_of("gpipe", 2, 8, 8, plan).lowered(true, false);
        EXPECT_LT(peaks(lowered)[0], before) << layer;
        EXPECT_GT(run(lowered).makespan(), time) << layer;
        before = peaks(lowered)[0];
        time = run(lowered).makespan();
    }
}

TEST(Units, RunTheComputeOfOneActionBesideTheCommunicationOfTheOther) {
    Plan plan;
    plan.parallel.tp = 2;
    plan.parallel.vpp = 2;
    Case one = case_of("interleaved-1f1b-overlap", 4, 16, 8, plan);
    const Lowered overlapped = one.lowered(true, false);
    for (auto& order : one.schedule.orders)
        for (schedules::Action& action : order) action.overlap = -1;
    const Lowered apart = one.lowered(true, false);
    sim::WorkCosts costs = simple_costs(overlapped.program);
    EXPECT_EQ(overlapped.program.tasks(), apart.program.tasks());
    EXPECT_LT(sim::replay(overlapped.program, costs).makespan(),
              sim::replay(apart.program, simple_costs(apart.program)).makespan());
}

}  // namespace
}  // namespace orrery::parallel
