// profiler/execute/execution.hpp
//
// What an executor takes and gives: programs in, measured timelines of the same programs out. Every rank of a
// program is a process (or a GPU) of its own; the program's rules (sim/program.hpp) hold as in the engines:
// streams in order, dependencies, rendezvous, host waits, memory taken and given back by its events.
//
// A rank's compute is real kernels, or emulated. An emulated device is one that takes exactly the time it is
// told to: a kernel starts when what it waits for has ended and ends its duration later. That the process
// notices the end late is not the device's time, but it shows in everything between ranks, which is real: a
// message leaves when the process posts it and has arrived when the process sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::profiler {

/// One program to run. Not folded: every rank stands for itself.
struct PlannedRun {
    sim::Program program;
    /// What emulated works take, and how long their launches keep the host. Indexed by WorkId.
    sim::WorkCosts costs;
    /// Seconds more that each task takes, by global task (emulated compute only); empty: none.
    std::vector<double> added_s;
    /// A work that does nothing for as long as it costs, on real devices too.
    sim::WorkId pause;
};

struct ExecuteOptions {
    /// Kernels and copies wait their cost, the host takes its time to launch them; memory is reserved, but
    /// not touched. Otherwise kernels run by Eigen on one thread, copies copy, and memory is touched.
    bool emulate_compute = false;
    /// Messages move at most `most_message_bytes` and end when their cost has passed since the last member
    /// arrived (or when they have really ended, if that is later). Only with emulate_compute.
    bool emulate_communication = false;
    std::uint64_t most_message_bytes = std::uint64_t{64} << 10U;

    int warm_up = 0;  ///< runs before the first that counts
    int repeat = 1;   ///< measured runs of each program
    /// A rank on which nothing has ended for so long, and that computes nothing, is stuck.
    double timeout_s = 60;
};

/// One run of one program.
struct MeasuredStep {
    /// From the moment at which all ranks begin, clocks aligned. `start` of an operation of a communicator is
    /// when its last member arrived; `end` is each member's own.
    sim::Timeline timeline;
    std::vector<double> peak_bytes;  ///< [rank] most that was allocated at one moment, static bytes included
    /// [rank] the longest that the process noticed the end of an emulated task after it. 0 of real kernels.
    std::vector<double> noticed_late_s;
    /// [global task] that the host took to issue it. Empty where kernels run as they are issued (mpi).
    std::vector<double> issue_s;
};

struct Execution {
    std::vector<std::vector<MeasuredStep>> steps;  ///< [run][repetition]
    std::string machine;                           ///< "4 processes on host x, Open MPI v4.1.4"
};

/// Executes the runs one after the other, all on the same processes. Throws ExperimentError where the ranks
/// of the runs differ in number, where memory does not suffice (before the start as far as that can be told),
/// where a rank dies, or is stuck (tasks in flight named); nothing of a failed execution is returned, and no
/// process stays behind. MissingCapability where there is no MPI. SimulationError for an invalid program.
///
/// Inside a job (mpirun, srun) the processes of the job are the ranks: all of them must call it, and only the
/// first one's runs and options count; on the others it returns nothing. Outside, `mpirun` is started on this
/// host, with `rank_command` as the processes: it must call run_rank(). The job's files lie in a temporary
/// folder.
Execution execute_with_mpi(const std::vector<PlannedRun>& runs, const ExecuteOptions& options,
                           const std::vector<std::string>& rank_command);

/// Executes the runs one after the other on the GPUs of this machine, driven by this process: one a rank
/// where there are as many, otherwise on shares of the first one's multiprocessors. Kernels are real. Throws
/// MissingCapability where there is no CUDA, no GPU, or not what the placement needs; ExperimentError and
/// SimulationError as above; InputError in a job of several processes.
Execution execute_with_cuda(const std::vector<PlannedRun>& runs, const ExecuteOptions& options);

/// Throws MissingCapability where this build has no CUDA or this machine no GPU.
void check_cuda_here();

/// True inside a job of several processes.
bool in_mpi_job();

/// True for the process of a job that has the runs and gets the result; also outside of a job.
bool first_of_mpi_job();

/// On the other processes: takes part in what the first one executes, if it does. On the first: tells the
/// others that there is nothing to execute.
void join_mpi_job();
void dismiss_mpi_job();

/// What a process started by execute_with_mpi does, with its folder. Returns the exit status.
int run_rank(const std::string& folder);

}  // namespace orrery::profiler
