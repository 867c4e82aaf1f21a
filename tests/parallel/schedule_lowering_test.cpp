// What must hold for every registered schedule once it is lowered onto a model.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "models/emit.hpp"
#include "random_lowering.hpp"
#include "schedules/evaluate.hpp"
#include "sim/engine/engine.hpp"
#include "sim/metrics/memory.hpp"

namespace orrery::parallel {
namespace {

constexpr int kCases = 8;

/// One activation of a device's share, and the times of its passes.
schedules::ActionTimes bare_times(const Case& one, const PassTimes& pass) {
    const double blocks = static_cast<double>(one.model.shape.layers) / one.schedule.stages();
    schedules::ActionTimes times;
    times.forward = blocks * pass.forward;
    times.backward_input = blocks * pass.input;
    times.backward_weight = blocks * pass.weight;
    return times;
}

TEST(EverySchedule, TakesTheTimeOfTheBareScheduleWhereCommunicationIsFree) {
    const PassTimes pass{3, 4, 2.5};
    for_every_schedule(1, kCases, true, [&](const Case& one) {
        const Lowered lowered = one.lowered(true, false);
        const sim::Timeline timeline =
            sim::replay(lowered.program, block_costs(lowered.program, one.model, pass));
        const schedules::Evaluation bare = schedules::evaluate(one.schedule, bare_times(one, pass));
        EXPECT_NEAR(timeline.makespan(), bare.makespan, 1e-9 * bare.makespan) << one.text;
    });
}

TEST(EverySchedule, EndsAlsoWhereSendsBlockAndIsNotFasterThen) {
    const PassTimes pass{3, 4, 2.5};
    for_every_schedule(2, kCases, true, [&](Case one) {
        one.plan.parallel.overlap_p2p = false;
        const Lowered lowered = one.lowered(true, false);
        sim::Timeline timeline;
        ASSERT_NO_THROW(timeline =
                            sim::replay(lowered.program, block_costs(lowered.program, one.model, pass)))
            << one.text;
        const schedules::Evaluation bare = schedules::evaluate(one.schedule, bare_times(one, pass));
        EXPECT_GE(timeline.makespan(), bare.makespan * (1 - 1e-9)) << one.text;
    });
}

TEST(EverySchedule, TakesAsLongFoldedAsWhole) {
    for_every_schedule(3, kCases, false, [](const Case& one) {
        const Lowered folded = one.lowered(true, false);
        const Lowered whole = one.lowered(false, false);
        EXPECT_EQ(whole.program.ranks.size(), static_cast<std::size_t>(one.plan.parallel.gpus()));
        expect_same_step(folded, whole, one.text);
    });
}

TEST(EverySchedule, TakesAsLongByKernelsAsByLayers) {
    for_every_schedule(4, kCases, false, [](const Case& one) {
        const Lowered layers = one.lowered(true, false);
        const Lowered kernels = one.lowered(true, true);
        const double a = sim::replay(layers.program, simple_costs(layers.program)).makespan();
        const double b = sim::replay(kernels.program, simple_costs(kernels.program)).makespan();
        EXPECT_NEAR(a, b, 1e-9 * a) << one.text;
    });
}

/// (layer, micro-batch, slice, direction of the pass) -> how often, and when.
struct PassTime {
    int count = 0;
    double start = 0;
    double end = 0;
};
using Key = std::tuple<int, int, int, sim::Phase>;

std::map<Key, PassTime> passes(const Case& one, const sim::Program& program, const sim::Timeline& timeline) {
    std::map<Key, PassTime> found;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            const sim::TaskLabel& label = tasks.label[task];
            if (!is_compute(tasks, task) || label.layer < 0 || label.micro_batch < 0) continue;
            PassTime& pass = found[{label.layer, label.micro_batch, label.slice, label.phase}];
            pass.start = timeline.start[program.first_task[r] + task];
            pass.end = timeline.end[program.first_task[r] + task];
            ++pass.count;
        }
    }
    static_cast<void>(one);
    return found;
}

TEST(EverySchedule, ComputesEachLayerOnceEachWayForwardFirst) {
    for_every_schedule(5, kCases, true, [](const Case& one) {
        const Lowered lowered = one.lowered(true, false);
        const sim::Timeline timeline = sim::replay(lowered.program, simple_costs(lowered.program));
        const auto found = passes(one, lowered.program, timeline);
        const auto pass = [&](int layer, int k, int slice, sim::Phase phase) {
            const auto it = found.find({layer, k, slice, phase});
            return it == found.end() ? PassTime{} : it->second;
        };
        for (int layer = 0; layer < static_cast<int>(one.model.nodes.size()); ++layer)
            for (int k = 0; k < one.schedule.micro_batches; ++k)
                for (int slice = 0; slice < one.plan.slices; ++slice) {
                    const PassTime forward = pass(layer, k, slice, sim::Phase::forward);
                    const PassTime joined = pass(layer, k, slice, sim::Phase::backward);
                    const PassTime input = pass(layer, k, slice, sim::Phase::backward_input);
                    const PassTime weight = pass(layer, k, slice, sim::Phase::backward_weight);
                    const bool ends = one.model.layer(layer).kind != models::LayerKind::block;
                    ASSERT_EQ(forward.count, 1) << one.text;
                    // The embedding has no input gradient: its pass may be empty.
                    ASSERT_TRUE(ends || joined.count + input.count == 1) << one.text;
                    ASSERT_TRUE(ends || input.count == weight.count) << one.text;
                    for (const PassTime& backward : {joined, input, weight}) {
                        ASSERT_TRUE(backward.count == 0 || forward.end <= backward.start) << one.text;
                    }
                    ASSERT_TRUE(weight.count == 0 || input.end <= weight.start) << one.text;
                }
    });
}

TEST(EverySchedule, KeepsStreamsInOrderAndReceivesWhatIsSent) {
    for_every_schedule(6, kCases, false, [](const Case& one) {
        const Lowered lowered = one.lowered(false, false);
        const sim::Program& program = lowered.program;
        ASSERT_NO_THROW(sim::validate(program)) << one.text;
        const sim::Timeline timeline = sim::replay(program, simple_costs(program));
        std::map<std::size_t, double> sent, received;  // by communicator
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            std::vector<double> free(tasks.streams.size(), 0);
            for (std::size_t task = 0; task < tasks.size(); ++task) {
                ASSERT_LE(free[tasks.stream[task]()], timeline.start[program.first_task[r] + task])
                    << one.text;
                free[tasks.stream[task]()] = timeline.end[program.first_task[r] + task];
                const auto* work = std::get_if<sim::Collective>(&program.works[tasks.work[task]()]);
                if (work == nullptr || work->kind != sim::CollectiveKind::send_recv) continue;
                const sim::StreamKind kind = tasks.streams[tasks.stream[task]()].kind;
                const bool sends = kind == sim::StreamKind::pp_send || kind == sim::StreamKind::copy_out;
                (sends ? sent : received)[program.ranks[r].communicators[tasks.communicator_slot[task]]()] +=
                    work->bytes;
            }
        }
        EXPECT_EQ(sent, received) << one.text;
        EXPECT_EQ(sent.empty(), one.plan.parallel.pp == 1) << one.text;
    });
}

TEST(EverySchedule, GivesBackAllMemoryItTakes) {
    for_every_schedule(7, kCases, false, [](const Case& one) {
        const Lowered lowered = one.lowered(true, true);
        const sim::Timeline timeline = sim::replay(lowered.program, simple_costs(lowered.program));
        for (const sim::RankMemory& rank : sim::measure_memory(lowered.program, timeline).per_rank)
            EXPECT_NEAR(rank.end_bytes, rank.static_bytes, 1e-9 * rank.static_bytes) << one.text;
    });
}

/// Bytes that a block's forward leaves, of a whole sequence.
double block_bytes(const Case& one) {
    models::LocalShape shape;
    shape.seq = shape.keys = one.model.shape.seq_length;
    double bytes = 0;
    for (const models::Operator& op : one.model.types[1].operators)
        bytes += models::saved_activation_bytes(op, shape, one.software, false);
    return bytes;
}

/// Most bytes of the blocks' activations alive on each device.
std::vector<double> block_peaks(const Case& one, const sim::Program& program, const sim::Timeline& timeline) {
    std::vector<double> peaks;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        std::vector<std::pair<double, double>> changes;  // (time, bytes)
        for (const sim::MemoryEvent& event : tasks.memory) {
            const std::size_t task = program.first_task[r] + event.task();
            if (event.kind != sim::MemoryKind::activations || !is_block_pass(one.model, tasks, event.task()))
                continue;
            changes.emplace_back(event.bytes > 0 ? timeline.start[task] : timeline.end[task], event.bytes);
        }
        std::sort(changes.begin(), changes.end());  // at one moment what is given back comes first
        double alive = 0, peak = 0;
        for (const auto& [time, bytes] : changes) peak = std::max(peak, alive += bytes);
        peaks.push_back(peak);
    }
    return peaks;
}

/// Schedules whose activations leave the device, or are dropped and recomputed, are held to bounds elsewhere.
bool moves_or_drops(const schedules::Schedule& schedule) {
    for (const auto& order : schedule.orders)
        for (const schedules::Action& action : order)
            if (action.kind >= schedules::ActionKind::recompute) return true;
    return false;
}

bool has_units(const schedules::Schedule& schedule) {
    for (const auto& order : schedule.orders)
        for (const schedules::Action& action : order)
            if (action.overlap >= 0) return true;
    return false;
}

TEST(EverySchedule, HoldsTheActivationsThatTheBareScheduleDeclares) {
    const PassTimes pass{3, 4, 2.5};
    for_every_schedule(8, kCases, true, [&](const Case& one) {
        if (moves_or_drops(one.schedule) || one.plan.slices > 1) return;
        const Lowered lowered = one.lowered(true, false);
        const sim::Timeline timeline =
            sim::replay(lowered.program, block_costs(lowered.program, one.model, pass));
        const auto bare = schedules::evaluate(one.schedule, bare_times(one, pass)).peak_activation;
        const auto peaks = block_peaks(one, lowered.program, timeline);
        // One activation of a device's share: of its chunks' blocks together.
        const double unit =
            block_bytes(one) * static_cast<double>(one.model.shape.layers) / one.schedule.devices;
        ASSERT_EQ(peaks.size(), bare.size());
        for (std::size_t device = 0; device < peaks.size(); ++device) {
            if (!has_units(one.schedule)) {
                EXPECT_NEAR(peaks[device], bare[device] * unit, 1e-9 * unit)
                    << one.text << " device " << device;
                continue;
            }
            // In a unit the forward takes while the backward gives back.
            EXPECT_LE(peaks[device], bare[device] * unit * (1 + 1e-9)) << one.text;
            EXPECT_GE(peaks[device], (bare[device] - 1.0 / one.schedule.chunks) * unit * (1 - 1e-9))
                << one.text;
        }
    });
}

double sum_of(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum;
}

TEST(EverySchedule, KeepsAllParametersOnceInEachReplica) {
    for_every_schedule(9, kCases, true, [](const Case& one) {
        const Lowered lowered = one.lowered(true, false);
        const auto copies = static_cast<double>(one.schedule.placement.size());
        // A tied output projection is a copy of the embedding where that is on another device.
        double whole = 0;
        for (const models::LayerNode& node : one.model.nodes)
            for (const models::Operator& op : one.model.types[static_cast<std::size_t>(node.type)].operators)
                if (!op.tied) whole += models::local_parameters(op, 1, one.software);
        const double embedding = models::local_parameters(one.model.types[0].operators[0], 1, one.software);
        double all = copies * whole;
        const auto& down = one.schedule.placement.front();
        const bool apart = copies == 1 && down.front() != down.back();
        if (one.model.shape.tied_embeddings && apart) all += embedding;
        EXPECT_NEAR(sum_of(lowered.device_parameters), all, 1e-6) << one.text;
        for (std::size_t r = 0; r < lowered.program.ranks.size(); ++r) {
            const auto& held = lowered.program.program_of(sim::RankId(r)).static_bytes;
            const double own = lowered.device_parameters[r];
            const double versions =
                one.schedule.weight_versions.empty() ? 1 : one.schedule.weight_versions[r];
            EXPECT_NEAR(held[static_cast<std::size_t>(sim::MemoryKind::parameters)], 2 * own * versions, 1e-6)
                << one.text;
            EXPECT_NEAR(held[static_cast<std::size_t>(sim::MemoryKind::gradients)], 4 * own, 1e-6)
                << one.text;
            EXPECT_NEAR(held[static_cast<std::size_t>(sim::MemoryKind::optimizer_state)], 12 * own, 1e-6)
                << one.text;
        }
    });
}

TEST(EverySchedule, ReducesEveryGradientOncePerUpdateAmongAllItsCopies) {
    for_every_schedule(10, kCases, true, [](Case one) {
        one.plan.parallel.dp = 2;
        one.plan.training.global_batch *= 2;
        const Lowered lowered = one.lowered(false, false);
        const sim::Program& program = lowered.program;
        const bool replicas = one.schedule.placement.size() > 1;
        const int per_update = micro_batches_per_update(one.plan, one.schedule);
        const double updates = static_cast<double>(one.schedule.micro_batches) / per_update;
        for (std::size_t r = 0; r < program.ranks.size(); ++r) {
            const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
            double bytes = 0;
            for (std::size_t task = 0; task < tasks.size(); ++task) {
                if (tasks.label[task].phase != sim::Phase::gradient_reduce) continue;
                const auto& work = std::get<sim::Collective>(program.works[tasks.work[task]()]);
                const std::size_t members = program.groups[work.group].devices.size();
                if (program.names[static_cast<std::size_t>(tasks.label[task].name)] ==
                    "tied embedding gradient")
                    continue;
                EXPECT_EQ(members, replicas && one.plan.parallel.pp > 1 ? 4U : 2U) << one.text;
                bytes += work.bytes;
            }
            const double own =
                lowered.device_parameters[static_cast<std::size_t>(program.ranks[r].pipeline_device)];
            EXPECT_NEAR(bytes, bytes_of(one.software.gradient_reduction) * own * updates, 1e-6 * own)
                << one.text;
        }
    });
}

}  // namespace
}  // namespace orrery::parallel
