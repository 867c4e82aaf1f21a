// The CUDA module, loaded when a GPU is asked for.
#include <cstdlib>

#include "core/error.hpp"
#include "core/plugin.hpp"
#include "profiler/communication/collective_sweep.hpp"
#include "profiler/communication/processes.hpp"
#include "profiler/execute/devices.hpp"
#include "profiler/kernels/backend.hpp"

namespace orrery::profiler {
namespace {

const Plugin& cuda() {
    static const Plugin plugin = [] {
        // CUDA reads it when it starts: as many hardware queues for streams as there are.
        (void)::setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0);
        return Plugin("orrery_cuda",
                      "this build of Orrery has no CUDA (none was found when it was configured)", false);
    }();
    return plugin;
}

}  // namespace

std::optional<std::string> cuda_unavailable() {
    if (!cuda().loaded()) return cuda().why();
    const char* why = cuda().function<const char*()>("orrery_cuda_unavailable")();
    return why == nullptr ? std::nullopt : std::optional<std::string>(why);
}

std::unique_ptr<Backend> make_cuda_backend(int device) {
    if (const auto why = cuda_unavailable())
        throw MissingCapability(*why + "; --device cpu measures the CPU");
    return std::unique_ptr<Backend>(cuda().function<Backend*(int)>("orrery_cuda_backend")(device));
}

std::unique_ptr<Devices> make_cuda_devices(int ranks) {
    if (const auto why = cuda_unavailable()) throw MissingCapability(*why);
    return std::unique_ptr<Devices>(cuda().function<Devices*(int)>("orrery_cuda_devices")(ranks));
}

std::unique_ptr<CollectiveRunner> make_nccl_runner() {
    if (const auto why = cuda_unavailable())
        throw MissingCapability(*why + "; --communication mpi measures MPI");
    auto* make = cuda().function<CollectiveRunner*(Processes*)>("orrery_nccl_runner");
    return std::unique_ptr<CollectiveRunner>(make(make_processes().release()));
}

}  // namespace orrery::profiler
