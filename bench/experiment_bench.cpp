// Whole experiments: from YAML to result, and the engine alone on a cluster whose ranks are all simulated.
// Machine and figures: README.md, "How fast".
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "models/graph.hpp"
#include "parallel/lower.hpp"
#include "report/json.hpp"
#include "sim/engine/engine.hpp"
#include "study/simulate.hpp"

namespace {

using namespace orrery;

/// Reads the file, simulates, and makes the result's text, as `orrery run CONFIG --json` does.
void yaml_to_result(benchmark::State& state, const std::string& config,
                    const std::vector<std::string>& overrides) {
    double tasks = 0;
    for (auto _ : state) {
        const study::Experiment experiment = study::load_experiment(config, overrides);
        const study::Simulation simulation = study::simulate(experiment);
        const std::string text = report::to_text(report::to_json(study::summarize(experiment, simulation)));
        benchmark::DoNotOptimize(text.data());
        tasks = static_cast<double>(simulation.lowered.program.tasks());
    }
    state.counters["tasks"] = tasks;
}

/// The engine's own time on a program made once.
void engine_only(benchmark::State& state, const std::string& config,
                 const std::vector<std::string>& overrides) {
    const study::Experiment experiment = study::load_experiment(config, overrides);
    const study::Simulation simulation = study::simulate(experiment);
    for (auto _ : state) {
        const sim::Timeline timeline = sim::replay(simulation.lowered.program, simulation.prices.costs);
        benchmark::DoNotOptimize(timeline.end.data());
    }
    const auto tasks = static_cast<double>(simulation.lowered.program.tasks());
    state.counters["tasks"] = tasks;
    state.counters["tasks/s"] = benchmark::Counter(tasks, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

BENCHMARK_CAPTURE(yaml_to_result, quickstart, "quickstart", {})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(yaml_to_result, llama3_405b_on_16384_gpus_folded, "llama3-405b", {})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(yaml_to_result, gpt3_175b_on_1024_gpus_folded, "gpt3-175b-1024", {})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(engine_only, gpt3_175b_on_1024_gpus_every_rank_every_kernel, "gpt3-175b-1024",
                  {"fold=false", "granularity=kernel"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(engine_only, llama3_405b_on_16384_gpus_every_rank_every_layer, "llama3-405b",
                  {"fold=false", "granularity=layer"})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
