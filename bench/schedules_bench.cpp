// bench/schedules_bench.cpp
//
// Generating and replaying bare schedules of p = 64, m = 1024, v = 4 (two chunks, or one, where a schedule
// has no other number), every registered one. Aim: well under 100 ms each, but for the searches.
#include <benchmark/benchmark.h>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"

namespace orrery::schedules {
namespace {

/// The named searches take a time limit: they get a tenth of a second, and what they find is replayed.
constexpr double kSearchSeconds = 0.1;

PipelineShape large_shape(const ScheduleEntry& entry) {
    for (const int chunks : {4, 2, 1}) {
        PipelineShape shape{.devices = 64, .micro_batches = 1024, .chunks = chunks};
        try {
            // Small sizes tell whether the number of chunks is legal.
            entry.generate({.devices = 4, .micro_batches = 8, .chunks = chunks});
            return shape;
        } catch (const InputError&) {
            continue;
        }
    }
    return {.devices = 64, .micro_batches = 1024, .chunks = 1};
}

void generate_and_replay(benchmark::State& state, const ScheduleEntry& entry) {
    PipelineShape shape = large_shape(entry);
    shape.time_limit = kSearchSeconds;
    std::size_t actions = 0;
    for (auto _ : state) {
        const Schedule schedule = entry.generate(shape);
        const Evaluation evaluation = evaluate(schedule, action_times(shape));
        actions = evaluation.actions;
        benchmark::DoNotOptimize(evaluation.makespan);
    }
    state.counters["actions"] = static_cast<double>(actions);
    state.counters["chunks"] = shape.chunks;
}

}  // namespace

void register_all() {
    for (const ScheduleEntry& entry : registry())
        benchmark::RegisterBenchmark(std::string(entry.name).c_str(), generate_and_replay, entry)
            ->Unit(benchmark::kMillisecond);
}

}  // namespace orrery::schedules

int main(int argc, char** argv) {
    orrery::schedules::register_all();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
