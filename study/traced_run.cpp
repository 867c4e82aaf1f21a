#include "study/traced_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/cost/transfer_cost.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/flow.hpp"
#include "sim/engine/flow_loads.hpp"
#include "sim/engine/network.hpp"
#include "study/shared_inputs.hpp"
#include "topologies/cluster.hpp"

namespace orrery::study {
namespace {

using sim::Collective;
using sim::Program;
using topologies::Cluster;

Cluster cluster_for(const TracedRunChoice& choice, std::size_t ranks) {
    const int gpus = topologies::load_node(choice.cluster).gpus;
    return topologies::make_cluster(
        choice.cluster,
        static_cast<int>((ranks + static_cast<std::size_t>(gpus) - 1) / static_cast<std::size_t>(gpus)));
}

void price_communication(sim::TracedProgram& traced, const Cluster& cluster,
                         const sim::CollectiveCalibration& collectives) {
    for (std::size_t w = 0; w < traced.program.works.size(); ++w) {
        const auto* work = std::get_if<Collective>(&traced.program.works[w]);
        if (work == nullptr) continue;
        const std::vector<std::uint32_t>& devices = traced.program.groups[work->group].devices;
        if (devices.size() < 2) continue;
        traced.costs[w].duration_s =
            sim::price_collective(work->kind, work->bytes, devices, cluster, collectives).time_s;
    }
}

sim::Timeline run_on_cluster(const TracedRun& run, const Cluster& cluster,
                             const sim::CollectiveCalibration& collectives, EngineKind engine) {
    const Program& program = run.traced.program;
    switch (engine) {
        case EngineKind::flow: {
            const sim::TransferCosts transfers = sim::price_transfers(program, collectives, cluster);
            return sim::simulate_with_flow(
                program, run.traced.costs,
                sim::flow_loads(program, transfers, sim::Network(cluster), cluster));
        }
        case EngineKind::simgrid:
            return sim::simulate_with_simgrid(program, run.traced.costs, cluster);
        case EngineKind::replay:
            break;
    }
    return sim::replay(program, run.traced.costs);
}

void count_traffic(TracedRun& run) {
    const Program& program = run.traced.program;
    for (const sim::Communicator& communicator : program.communicators) {
        const sim::RankId first = communicator.members.front();
        const sim::Rank& rank = program.ranks[first()];
        const sim::RankProgram& tasks = program.program_of(first);
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const std::uint32_t slot = tasks.communicator_slot[i];
            if (slot == sim::kNoCommunicator ||
                &program.communicators[rank.communicators[slot]()] != &communicator)
                continue;
            const auto& work = std::get<Collective>(program.works[tasks.work[i]()]);
            TracedTraffic& traffic = run.by_kind[std::string(sim::to_string(work.kind))];
            ++traffic.operations;
            traffic.bytes += work.bytes;
        }
    }
}

void measure(TracedRun& run) {
    const Program& program = run.traced.program;
    run.step_time_s = run.timeline.makespan();
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& tasks = program.program_of(sim::RankId(r));
        double busy = 0;
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const sim::Work& work = program.works[tasks.work[i]()];
            if (!std::holds_alternative<sim::KernelSequence>(work) ||
                tasks.stream[i] == run.traced.host_stream[r])
                continue;
            const std::uint64_t at = program.first_task[r] + i;
            busy += run.timeline.end[at] - run.timeline.start[at];
        }
        run.mean_compute_s += busy / static_cast<double>(program.ranks.size());
        run.most_compute_s = std::max(run.most_compute_s, busy);
    }
    count_traffic(run);
}

void note_untimed(TracedRun& run, bool priced) {
    const auto note = [&run](std::uint64_t count, const char* what) {
        if (count > 0) run.notes.push_back(fmt::format("{} {}", count, what));
    };
    note(run.traced.untimed_computations, "computations have no duration in the traces and take no time");
    if (!priced)
        note(run.traced.untimed_communications,
             "communications have no duration in the traces and take no time; --cluster prices them");
}

}  // namespace

TracedRun run_traces(const std::filesystem::path& folder, const TracedRunChoice& choice) {
    return run_traces(sim::read_chakra(folder), choice);
}

TracedRun run_traces(sim::TracedProgram traced, const TracedRunChoice& choice) {
    TracedRun run;
    run.traced = std::move(traced);
    if (choice.cluster.empty()) {
        if (choice.engine != EngineKind::replay)
            throw InputError({}, "--engine",
                             fmt::format("{} moves bytes over a cluster's links; expected --cluster NAME",
                                         to_string(choice.engine)));
        if (!choice.collectives.empty())
            throw InputError({}, "--calibration",
                             "prices the communication on a cluster; expected --cluster NAME");
        run.timeline = sim::replay(run.traced.program, run.traced.costs);
    } else {
        const Cluster cluster = cluster_for(choice, run.traced.program.ranks.size());
        const std::string& name = choice.collectives.empty() ? cluster.node.collectives : choice.collectives;
        const auto collectives = shared_collectives(name);
        price_communication(run.traced, cluster, *collectives);
        run.cluster = cluster.name;
        run.timeline = run_on_cluster(run, cluster, *collectives, choice.engine);
    }
    note_untimed(run, !choice.cluster.empty());
    measure(run);
    return run;
}

}  // namespace orrery::study
