// profiler/execute/launch_mpi.hpp
//
// A job of processes on this host under Open MPI's mpirun, watched until it ends.
#pragma once

#include <string>
#include <vector>

namespace orrery::profiler {

/// How a job ended.
struct JobEnd {
    int status = 0;      ///< 0: every process ended well
    std::string output;  ///< what mpirun and the processes printed
};

/// Runs `command` as so many processes (more than cores if need be) and waits. When this process is told to
/// end meanwhile (SIGINT, SIGTERM, SIGHUP) the job is ended first; when it is killed, the job ends with it.
/// `log` is a file for what is printed. Throws MissingCapability when there is no mpirun.
JobEnd run_mpi_job(int processes, const std::vector<std::string>& command, const std::string& log);

}  // namespace orrery::profiler
