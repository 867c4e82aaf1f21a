#include "study/replay_links.hpp"

#include <algorithm>
#include <utility>

namespace orrery::study {
namespace {

/// Each operation once: of the first simulated member of its communicator, or of the rank that copies.
/// `program` is the simulated one or that of all its ranks, of which each does what, and when, the simulated
/// rank of the same rank program does.
void move_everything(const sim::Program& program, const Simulation& s, FlowRecord& record) {
    const sim::Program& simulated = s.lowered.program;
    std::vector<std::uint64_t> first_task(simulated.rank_programs.size(), 0);
    for (std::size_t r = 0; r < simulated.ranks.size(); ++r)
        first_task[simulated.ranks[r].program] = simulated.first_task[r];
    record.usage.begin(record.loads.links.size(), record.loads.loads.size());
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::Rank& rank = program.ranks[r];
        const sim::RankProgram& tasks = program.rank_programs[rank.program];
        const std::uint64_t first = &program == &simulated ? program.first_task[r] : first_task[rank.program];
        for (std::size_t t = 0; t < tasks.size(); ++t) {
            const std::uint32_t work = tasks.work[t].value;
            if (std::holds_alternative<sim::KernelSequence>(program.works[work])) continue;
            std::size_t owner = program.communicators.size() + r;
            if (const std::uint32_t slot = tasks.communicator_slot[t]; slot != sim::kNoCommunicator) {
                owner = rank.communicators[slot]();
                if (program.communicators[owner].members.front()() != r) continue;
            }
            const std::uint32_t load = record.loads.find(owner, work);
            if (load == sim::kNoLoad) continue;
            const double end = s.timeline.end[first + t];
            const double begin = std::max(0.0, end - record.loads.loads[load].transfer_s);
            record.usage.moved(record.loads.footprint(load), begin, end, 1);
            record.usage.ended(load);
        }
    }
}

}  // namespace

void add_replay_links(const Experiment& experiment, Simulation& s) {
    const std::int64_t gpus = experiment.plan.parallel.gpus();
    if (experiment.engine != EngineKind::replay || gpus < 2 || s.flow || experiment.cluster.custom) return;
    FlowRecord record;
    if (gpus == static_cast<std::int64_t>(s.lowered.program.ranks.size())) {
        record.loads = whole_loads(experiment, s.lowered.program);
        move_everything(s.lowered.program, s, record);
        s.flow = std::move(record);
        return;
    }
    const sim::Program whole = lowered(experiment, s.model, s.schedule, false).program;
    sim::FoldedLoads folded = folded_loads(experiment, s.lowered.program, whole);
    const bool symmetric = folded.loads.has_value();
    record.loads = symmetric ? std::move(*folded.loads) : whole_loads(experiment, whole);
    move_everything(symmetric ? s.lowered.program : whole, s, record);
    s.flow = std::move(record);
}

}  // namespace orrery::study
