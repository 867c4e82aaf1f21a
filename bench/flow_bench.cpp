// The engine flow on the works that issue 4 names: collectives as coupled loads, a skewed all-to-all-v beside
// other traffic, and a transformer's step with every rank simulated. Times include making the loads from the
// network's ways, which is most of them where one collective runs once.
#include <benchmark/benchmark.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "models/graph.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/cost/price.hpp"
#include "sim/engine/flow.hpp"
#include "study/simulate.hpp"
#include "topologies/cluster.hpp"

namespace {

using namespace orrery;

/// All GPUs of a cluster in one collective, with `lanes` further ones of pairs beside it.
struct OneCollective {
    OneCollective(sim::CollectiveKind kind, double bytes, int gpus, bool skewed, bool beside)
        : cluster(topologies::make_cluster("dgx-h100", gpus / 8)) {
        std::vector<std::uint32_t> devices(static_cast<std::size_t>(gpus));
        std::iota(devices.begin(), devices.end(), 0U);
        program.names = {"collective"};
        program.groups.push_back({devices});
        sim::Collective work{kind, bytes, 0};
        if (skewed) {
            work.matrix = 0;
            program.matrices.push_back(zipf(static_cast<std::uint32_t>(gpus), bytes));
        }
        program.works.emplace_back(work);
        add_communicator(devices, 0);
        for (std::uint32_t d = 0; beside && d + 16 < devices.size(); d += 2) {
            const std::vector<std::uint32_t> pair = {d, d + 16};
            program.groups.push_back({pair});
            const auto group = static_cast<std::uint32_t>(program.groups.size() - 1);
            program.works.emplace_back(sim::Collective{sim::CollectiveKind::send_recv, bytes / 16, group});
            add_communicator(pair, static_cast<std::uint32_t>(program.works.size() - 1));
        }
        add_tasks(devices.size());
        costs = sim::WorkCosts(program.works.size());
        transfers = sim::price_transfers(program, sim::ideal_collectives(), cluster);
        for (std::size_t w = 0; w < costs.size(); ++w)
            costs[w] = {transfers[w].transfer_s, 0, transfers[w].transfer_s};
    }

    /// Column shares fall off as 1/rank of the expert (Zipf), turned with the sender.
    static sim::TrafficMatrix zipf(std::uint32_t n, double bytes) {
        double sum = 0;
        for (std::uint32_t i = 1; i <= n; ++i) sum += 1.0 / i;
        sim::TrafficMatrix matrix{n, std::vector<double>(std::size_t{n} * n)};
        for (std::uint32_t from = 0; from < n; ++from)
            for (std::uint32_t to = 0; to < n; ++to)
                matrix.bytes[std::size_t{from} * n + to] = bytes / sum / ((to + from / 8) % n + 1.0);
        return matrix;
    }

    void add_communicator(const std::vector<std::uint32_t>& devices, std::uint32_t work) {
        sim::Communicator& communicator = program.communicators.emplace_back();
        communicator.operations = 1;
        communicator.name = "group";
        for (const std::uint32_t device : devices) communicator.members.emplace_back(device);
        works.push_back(work);
    }

    void add_tasks(std::size_t ranks) {
        program.ranks.resize(ranks);
        program.rank_programs.resize(ranks);
        program.first_task.assign(1, 0);
        for (std::size_t r = 0; r < ranks; ++r) {
            program.ranks[r].program = program.ranks[r].device = static_cast<std::uint32_t>(r);
            program.rank_programs[r].dependency_begin.push_back(0);
        }
        for (std::size_t c = 0; c < program.communicators.size(); ++c)
            for (const sim::RankId member : program.communicators[c].members) {
                sim::RankProgram& tasks = program.rank_programs[member()];
                sim::Rank& rank = program.ranks[member()];
                tasks.streams.push_back({sim::StreamKind::dp, -1});
                tasks.stream.emplace_back(tasks.streams.size() - 1);
                tasks.work.emplace_back(works[c]);
                tasks.flags.push_back(0);
                tasks.communicator_slot.push_back(static_cast<std::uint32_t>(rank.communicators.size()));
                tasks.sequence.push_back(0);
                tasks.dependency_begin.push_back(0);
                tasks.label.emplace_back();
                rank.communicators.emplace_back(c);
            }
        for (const sim::RankProgram& tasks : program.rank_programs)
            program.first_task.push_back(program.first_task.back() + tasks.size());
    }

    topologies::Cluster cluster;
    sim::Program program;
    std::vector<std::uint32_t> works;  ///< [communicator]
    sim::WorkCosts costs;
    sim::TransferCosts transfers;
};

void collective(benchmark::State& state, sim::CollectiveKind kind, int gpus, bool skewed, bool beside) {
    const OneCollective one(kind, 1e9, gpus, skewed, beside);
    for (auto _ : state) {
        const sim::Network network(one.cluster);
        const sim::FlowLoads loads = sim::flow_loads(one.program, one.transfers, network, one.cluster);
        benchmark::DoNotOptimize(sim::simulate_with_flow(one.program, one.costs, loads));
    }
}

/// The same with the loads made before.
void engine_only(benchmark::State& state, sim::CollectiveKind kind, int gpus) {
    const OneCollective one(kind, 1e9, gpus, false, false);
    const sim::Network network(one.cluster);
    const sim::FlowLoads loads = sim::flow_loads(one.program, one.transfers, network, one.cluster);
    for (auto _ : state) benchmark::DoNotOptimize(sim::simulate_with_flow(one.program, one.costs, loads));
}

/// From YAML to timeline: tp 8, pp 4, dp 32, 32 layers, 8 micro-batches, 1F1B, every rank, with contention.
void transformer_step(benchmark::State& state, const std::string& granularity) {
    const study::Experiment experiment = study::parse_experiment(
        "model: {family: gpt, layers: 32, hidden: 4096, heads: 32, vocab: 51200, seq_length: 2048}\n"
        "cluster: {node: dgx-h100, nodes: 128}\n"
        "parallel: {tp: 8, pp: 4, dp: 32}\n"
        "schedule: {name: 1f1b}\n"
        "training: {global_batch: 256, micro_batch: 1, precision: bf16}\n"
        "engine: flow\nfold: false\ngranularity: " +
            granularity + "\n",
        "flow_bench.yaml");
    double tasks = 0;
    for (auto _ : state) {
        const study::Simulation simulation = study::simulate(experiment);
        benchmark::DoNotOptimize(simulation.timeline.end.data());
        tasks = static_cast<double>(simulation.lowered.program.tasks());
        state.counters["engine_s"] = simulation.engine_s;
    }
    state.counters["tasks"] = tasks;
}

}  // namespace

BENCHMARK_CAPTURE(engine_only, ring_all_reduce_1024, sim::CollectiveKind::all_reduce, 1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collective, all_reduce_1024, sim::CollectiveKind::all_reduce, 1024, false, false)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collective, all_reduce_4096, sim::CollectiveKind::all_reduce, 4096, false, false)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(collective, all_to_all_v_1024_skewed_beside_sends, sim::CollectiveKind::all_to_all_v, 1024,
                  true, true)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
BENCHMARK_CAPTURE(transformer_step, layers, "layer")->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(transformer_step, kernels, "kernel")->Unit(benchmark::kMillisecond)->Iterations(1);
