// bench/replay_bench.cpp
//
// Tasks per second of the replay engine, on programs larger than the cache, timeline included (16 bytes a
// task).
#include <benchmark/benchmark.h>

#include "bench/program_sample.hpp"
#include "sim/engine/engine.hpp"

namespace {

using orrery::bench::make_pipeline_sample;
using orrery::bench::PipelineSample;

void run(benchmark::State& state, const PipelineSample& shape) {
    const auto sample = make_pipeline_sample(shape);
    for (auto _ : state) benchmark::DoNotOptimize(orrery::sim::replay(sample.program, sample.costs));
    const auto tasks = static_cast<double>(sample.program.tasks());
    state.counters["tasks"] = tasks;
    state.counters["tasks_per_s"] =
        benchmark::Counter(tasks, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

/// 1,024 ranks of 58,000 tasks each: GPT-3 175B on 1,024 GPUs, every rank at kernel granularity.
void replay_1024_ranks(benchmark::State& state) {
    run(state, {});
}

/// 64 ranks that share nothing: the program itself is larger than the cache.
void replay_distinct_ranks(benchmark::State& state) {
    PipelineSample shape;
    shape.data = 1;
    shape.pipeline = 8;
    shape.micro_batches = 128;
    shape.shared = false;
    run(state, shape);
}

void validate_1024_ranks(benchmark::State& state) {
    const auto sample = make_pipeline_sample({});
    for (auto _ : state) orrery::sim::validate(sample.program);
}

BENCHMARK(replay_1024_ranks)->Unit(benchmark::kMillisecond);
BENCHMARK(replay_distinct_ranks)->Unit(benchmark::kMillisecond);
BENCHMARK(validate_1024_ranks)->Unit(benchmark::kMillisecond);

}  // namespace
