#include "profiler/execute/cuda/gpu_shares.hpp"

#include <cuda.h>

#include <string>
#include <vector>

#include "core/error.hpp"
#include "profiler/kernels/cuda/check.hpp"

namespace orrery::profiler::cuda {

#if CUDA_VERSION >= 12040

namespace {

/// The driver's function of that name, or nothing. Not linked: a machine without a driver loads the module
/// too.
void* entry_point(const char* name) {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    const cudaError_t status =
        cudaGetDriverEntryPointByVersion(name, &address, CUDART_VERSION, cudaEnableDefault, &found);
#else
    const cudaError_t status = cudaGetDriverEntryPoint(name, &address, cudaEnableDefault, &found);
#endif
    if (status != cudaSuccess) (void)cudaGetLastError();
    return status == cudaSuccess && found == cudaDriverEntryPointSuccess ? address : nullptr;
}

/// The most multiprocessors of which the driver makes as many groups as there are ranks: it rounds to what
/// the architecture hands out together (8 on compute capability 9.0). 0 where it makes no such groups.
int largest_share(decltype(cuDevSmResourceSplitByCount)* split, const CUdevResource& all, int ranks) {
    for (int share = static_cast<int>(all.sm.smCount) / ranks; share > 0; --share) {
        unsigned groups = 0;
        const CUresult result = split(nullptr, &groups, &all, nullptr, 0, static_cast<unsigned>(share));
        if (result == CUDA_SUCCESS && groups >= static_cast<unsigned>(ranks)) return share;
    }
    return 0;
}

}  // namespace

struct GpuShares::Driver {
    template <class F>
    static F* find(const char* name) {
        void* const address = entry_point(name);
        if (address == nullptr)
            throw MissingCapability(
                std::string("several ranks in one GPU need green contexts, and this NVIDIA "
                            "driver has no ") +
                name + " (CUDA 12.4 and later have it)");
        return reinterpret_cast<F*>(address);
    }

    void check(CUresult result, const char* call) const {
        if (result == CUDA_SUCCESS) return;
        const char* text = nullptr;
        (void)error_string(result, &text);
        throw ExperimentError(std::string(call) + ": " + (text == nullptr ? "unknown error" : text));
    }

    decltype(cuGetErrorString)* error_string = find<decltype(cuGetErrorString)>("cuGetErrorString");
    decltype(cuDeviceGet)* device_get = find<decltype(cuDeviceGet)>("cuDeviceGet");
    decltype(cuDeviceGetDevResource)* device_resource =
        find<decltype(cuDeviceGetDevResource)>("cuDeviceGetDevResource");
    decltype(cuDevSmResourceSplitByCount)* split =
        find<decltype(cuDevSmResourceSplitByCount)>("cuDevSmResourceSplitByCount");
    decltype(cuDevResourceGenerateDesc)* describe =
        find<decltype(cuDevResourceGenerateDesc)>("cuDevResourceGenerateDesc");
    decltype(cuGreenCtxCreate)* create = find<decltype(cuGreenCtxCreate)>("cuGreenCtxCreate");
    decltype(cuGreenCtxDestroy)* destroy = find<decltype(cuGreenCtxDestroy)>("cuGreenCtxDestroy");
    decltype(cuGreenCtxStreamCreate)* make_stream =
        find<decltype(cuGreenCtxStreamCreate)>("cuGreenCtxStreamCreate");
};

struct GpuShares::Contexts {
    std::vector<CUgreenCtx> of_rank;
};

GpuShares::GpuShares(int device, int ranks)
    : driver_(std::make_unique<Driver>()), contexts_(std::make_unique<Contexts>()) {
    ORRERY_CUDA(cudaSetDevice(device));
    ORRERY_CUDA(cudaFree(nullptr));  // the primary context, before green ones refer to it
    const Driver& driver = *driver_;
    CUdevice handle = 0;
    driver.check(driver.device_get(&handle, device), "cuDeviceGet");
    CUdevResource all{};
    driver.check(driver.device_resource(handle, &all, CU_DEV_RESOURCE_TYPE_SM), "cuDeviceGetDevResource");
    const int total = static_cast<int>(all.sm.smCount);
    const int share = largest_share(driver.split, all, ranks);
    if (share == 0) {
        throw ExperimentError("this GPU's " + std::to_string(total) +
                              " multiprocessors do not divide among " + std::to_string(ranks) + " ranks");
    }
    std::vector<CUdevResource> groups(static_cast<std::size_t>(ranks));
    auto count = static_cast<unsigned>(ranks);
    CUdevResource rest{};
    driver.check(driver.split(groups.data(), &count, &all, &rest, 0, static_cast<unsigned>(share)),
                 "cuDevSmResourceSplitByCount");
    multiprocessors_ = static_cast<int>(groups.front().sm.smCount);
    for (CUdevResource& group : groups) {
        CUdevResourceDesc description = nullptr;
        driver.check(driver.describe(&description, &group, 1), "cuDevResourceGenerateDesc");
        CUgreenCtx context = nullptr;
        driver.check(driver.create(&context, description, handle, CU_GREEN_CTX_DEFAULT_STREAM),
                     "cuGreenCtxCreate");
        contexts_->of_rank.push_back(context);
    }
}

GpuShares::~GpuShares() {
    for (const CUgreenCtx context : contexts_->of_rank) (void)driver_->destroy(context);
}

cudaStream_t GpuShares::make_stream(int rank) const {
    CUstream stream = nullptr;
    driver_->check(driver_->make_stream(&stream, contexts_->of_rank[static_cast<std::size_t>(rank)],
                                        CU_STREAM_NON_BLOCKING, 0),
                   "cuGreenCtxStreamCreate");
    return stream;
}

#else

struct GpuShares::Driver {};
struct GpuShares::Contexts {};

GpuShares::GpuShares(int /*device*/, int /*ranks*/) {
    throw MissingCapability(
        "several ranks in one GPU need green contexts, and this build of Orrery was made with a CUDA before "
        "12.4");
}
GpuShares::~GpuShares() = default;
cudaStream_t GpuShares::make_stream(int /*rank*/) const {
    return nullptr;
}

#endif

}  // namespace orrery::profiler::cuda
