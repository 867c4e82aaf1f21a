// The CUDA module, loaded when a GPU is asked for.
#include "core/error.hpp"
#include "core/plugin.hpp"
#include "profiler/communication/collective_sweep.hpp"
#include "profiler/communication/processes.hpp"
#include "profiler/kernels/backend.hpp"

namespace orrery::profiler {
namespace {

const Plugin& cuda() {
    static const Plugin plugin(
        "orrery_cuda", "this build of Orrery has no CUDA (none was found when it was configured)", false);
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

std::unique_ptr<CollectiveRunner> make_nccl_runner() {
    if (const auto why = cuda_unavailable())
        throw MissingCapability(*why + "; --communication mpi measures MPI");
    auto* make = cuda().function<CollectiveRunner*(Processes*)>("orrery_nccl_runner");
    return std::unique_ptr<CollectiveRunner>(make(make_processes().release()));
}

}  // namespace orrery::profiler
