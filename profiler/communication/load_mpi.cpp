// The MPI module, loaded when a job of several processes is asked for.
#include <cstdlib>

#include "core/error.hpp"
#include "core/plugin.hpp"
#include "profiler/communication/collective_sweep.hpp"
#include "profiler/communication/processes.hpp"

namespace orrery::profiler {
namespace {

const Plugin& mpi() {
    static const Plugin plugin(
        "orrery_mpi", "this build of Orrery has no MPI (libopenmpi-dev was not found when it was configured)",
        true);
    return plugin;
}

/// Set by mpirun of Open MPI and MPICH, and by srun.
bool started_in_a_job() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_ID"}) {
        if (std::getenv(name) != nullptr) return true;
    }
    return false;
}

}  // namespace

std::unique_ptr<Processes> make_processes() {
    if (!started_in_a_job()) return std::make_unique<Processes>();
    if (!mpi().loaded()) throw MissingCapability(mpi().why());
    return std::unique_ptr<Processes>(mpi().function<Processes*()>("orrery_mpi_processes")());
}

std::unique_ptr<CollectiveRunner> make_mpi_runner() {
    if (!mpi().loaded()) throw MissingCapability(mpi().why());
    if (!started_in_a_job()) {
        throw ExperimentError(
            "MPI needs two processes: start it as mpirun -n 2 orrery profile --communication mpi ...");
    }
    std::unique_ptr<CollectiveRunner> runner(mpi().function<CollectiveRunner*()>("orrery_mpi_runner")());
    if (runner->ranks() < 2)
        throw ExperimentError("MPI needs two processes: this job has one (mpirun -n 2 ...)");
    return runner;
}

}  // namespace orrery::profiler
