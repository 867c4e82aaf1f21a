// bench/simgrid_bench.cpp
//
// The SimGrid engine beside replay on the same small program: a pipeline of 4 stages, 4-way tensor parallel.
#include <benchmark/benchmark.h>

#include "bench/program_sample.hpp"
#include "core/error.hpp"
#include "sim/engine/engine.hpp"

namespace {

using orrery::bench::make_pipeline_sample;
using orrery::bench::PipelineSample;

orrery::bench::Sample small_sample() {
    PipelineSample shape;
    shape.pipeline = 4;
    shape.tensor = 4;
    shape.data = 1;
    shape.micro_batches = 8;
    shape.layers = 2;
    return make_pipeline_sample(shape);
}

void count(benchmark::State& state, const orrery::sim::Program& program) {
    state.counters["tasks"] = static_cast<double>(program.tasks());
    state.counters["tasks_per_s"] = benchmark::Counter(static_cast<double>(program.tasks()),
                                                       benchmark::Counter::kIsIterationInvariantRate);
}

void replay_small(benchmark::State& state) {
    const auto sample = small_sample();
    for (auto _ : state) benchmark::DoNotOptimize(orrery::sim::replay(sample.program, sample.costs));
    count(state, sample.program);
}

/// Wall time: SimGrid runs in a process of its own.
void simgrid_small(benchmark::State& state) {
    const auto sample = small_sample();
    orrery::topologies::Cluster cluster;
    cluster.name = "one node of 16";
    cluster.node.name = "node";
    cluster.node.gpus = 16;
    cluster.node.fabric = orrery::topologies::NodeFabric::nvswitch;
    cluster.node.gpu_link_bandwidth = 300e9;
    cluster.node.gpu_link_latency_s = 2e-6;
    try {
        for (auto _ : state)
            benchmark::DoNotOptimize(
                orrery::sim::simulate_with_simgrid(sample.program, sample.costs, cluster));
    } catch (const orrery::MissingCapability& missing) {
        state.SkipWithError(missing.what());
        return;
    }
    count(state, sample.program);
}

BENCHMARK(replay_small)->Unit(benchmark::kMillisecond);
BENCHMARK(simgrid_small)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
