// The executor `cuda`: the GPUs of this machine, driven by this process.
#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "profiler/execute/device_run.hpp"
#include "profiler/execute/job.hpp"
#include "profiler/kernels/backend.hpp"

namespace orrery::profiler {
namespace {

/// More than one process of a job would all drive the same GPUs.
void check_alone() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
        const char* size = std::getenv(name);
        if (size != nullptr && std::string(size) != "1")
            throw InputError({}, "--on",
                             "cuda drives all GPUs of a machine from one process: start it without mpirun");
    }
}

}  // namespace

void check_cuda_here() {
    if (const auto why = cuda_unavailable())
        throw MissingCapability(*why + "; --on mpi executes on the processors of this machine");
}

Execution execute_with_cuda(const std::vector<PlannedRun>& runs, const ExecuteOptions& options) {
    check_alone();
    check_cuda_here();
    std::unique_ptr<Devices> devices = make_cuda_devices(ranks_of(runs));
    try {
        return execute_on_devices(runs, options, *devices);
    } catch (const HostsLost& error) {
        (void)devices.release();
        throw ExperimentError(std::string("the execution broke off: ") + error.what());
    } catch (const ExperimentError& error) {
        throw ExperimentError(std::string("the execution broke off: ") + error.what());
    }
}

}  // namespace orrery::profiler
