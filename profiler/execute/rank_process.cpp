#include "profiler/execute/rank_process.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <thread>

#include "core/error.hpp"
#include "profiler/execute/rank_run.hpp"
#include "profiler/execute/rank_tasks.hpp"

namespace orrery::profiler {
namespace {

/// All begin so long after the first has named the moment: longer than it takes to tell them.
constexpr double kLead = 3e-3;

double agreed_begin(Transport& transport) {
    const double mine = transport.now() + kLead;
    std::string bytes(sizeof mine, '\0');
    std::memcpy(bytes.data(), &mine, sizeof mine);
    transport.broadcast(bytes);
    double begin = 0;
    std::memcpy(&begin, bytes.data(), sizeof begin);
    std::this_thread::sleep_for(std::chrono::duration<double>(begin - transport.now()));
    return begin;
}

/// What the ranks have measured, as one step. Only on the first process.
MeasuredStep joined(const sim::Program& program, const std::vector<std::string>& parts) {
    MeasuredStep step;
    for (std::size_t r = 0; r < parts.size(); ++r) {
        const RankStep part = rank_step_from(parts[r]);
        if (part.end_s.size() != program.program_of(sim::RankId(r)).size())
            throw ExperimentError(fmt::format("rank {} has not measured every task", r));
        step.timeline.start.insert(step.timeline.start.end(), part.start_s.begin(), part.start_s.end());
        step.timeline.end.insert(step.timeline.end.end(), part.end_s.begin(), part.end_s.end());
        step.peak_bytes.push_back(part.peak_bytes);
        step.noticed_late_s.push_back(part.noticed_late_s);
    }
    return step;
}

std::vector<MeasuredStep> execute_run(const PlannedRun& run, const ExecuteOptions& options,
                                      Transport& transport) {
    const sim::RankId rank(static_cast<std::size_t>(transport.rank()));
    transport.use(run.program, options.emulate_communication ? options.most_message_bytes : 0);
    std::unique_ptr<LocalWork> local;
    try {
        if (!options.emulate_compute) local = std::make_unique<LocalWork>(run.program, rank);
    } catch (const std::bad_alloc&) {
        throw ExperimentError(
            fmt::format("not enough memory for the operands of rank {}'s kernels", rank.value));
    }
    HostPages pages(!options.emulate_compute);
    RankMemory memory(pages);
    RankTasks(run.program, rank).take_static_bytes(memory);
    std::vector<MeasuredStep> steps;
    for (int i = 0; i < options.warm_up + options.repeat; ++i) {
        memory.begin_step();
        transport.barrier(options.timeout_s);
        const double begin = agreed_begin(transport);
        const RankStep mine = run_rank_step(run, rank, options, transport, local.get(), memory, begin);
        transport.barrier(options.timeout_s);
        const std::vector<std::string> parts = transport.gather(to_bytes(mine));
        if (transport.rank() == 0 && i >= options.warm_up) steps.push_back(joined(run.program, parts));
    }
    return steps;
}

}  // namespace

Execution execute_rank(const Job& job, Transport& transport) {
    const int ranks = ranks_of(job.runs);
    if (transport.size() != ranks) {
        throw ExperimentError(
            fmt::format("the plan has {} ranks, this job {} processes: start it as mpirun -n {}", ranks,
                        transport.size(), ranks));
    }
    // Sleeps end when they should, not up to 50 us later.
    (void)::prctl(PR_SET_TIMERSLACK, 1UL);
    Execution execution;
    execution.machine = transport.describe();
    for (const PlannedRun& run : job.runs) {
        std::vector<MeasuredStep> steps = execute_run(run, job.options, transport);
        if (transport.rank() == 0) execution.steps.push_back(std::move(steps));
    }
    return execution;
}

}  // namespace orrery::profiler
