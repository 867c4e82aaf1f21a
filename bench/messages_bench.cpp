// Engine `messages`: a ring all-reduce of 1,024 ranks as its 2,095,104 messages, from nothing to the time:
// written out, routed, moved. Counters: messages/s of processor time, and the bytes a message takes at the
// peak of memory.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <numeric>

#include "sim/engine/messages/bare_collective.hpp"

namespace orrery {
namespace {

double peak_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

void ring_all_reduce(benchmark::State& state) {
    const auto ranks = static_cast<int>(state.range(0));
    const topologies::Cluster cluster = topologies::make_cluster("dgx-a100", ranks / 8);
    sim::BareCollective request;
    request.bytes = 1 << 30;
    request.devices.resize(static_cast<std::size_t>(ranks));
    std::iota(request.devices.begin(), request.devices.end(), 0U);
    // One member a ring place and one ring: as one GPU a node.
    topologies::Cluster flat = cluster;
    flat.node.gpus = 1;
    flat.node.nics = 1;
    flat.nodes = ranks;
    request.choice = {"ring", "Simple", 0};
    request.engine = sim::BareEngine::messages;
    static const double before = peak_bytes();  // of the first call, which takes it all
    double messages = 0;
    for (auto _ : state)
        messages = sim::run_bare_collective(request, flat, sim::ideal_collectives()).messages;
    state.counters["messages/s"] =
        benchmark::Counter(messages, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["bytes/message"] = (peak_bytes() - before) / messages;
}
BENCHMARK(ring_all_reduce)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace orrery
