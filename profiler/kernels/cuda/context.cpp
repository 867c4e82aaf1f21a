// What launches on a stream share, and which kernel runs a case.
#include "profiler/kernels/cuda/launchable.hpp"

namespace orrery::profiler::cuda {
namespace {

constexpr std::size_t kWorkspace = std::size_t{64} << 20;  // Hopper's products want 32 MiB

std::unique_ptr<Launchable> plan(const KernelCase& c, Context& context) {
    switch (c.operation) {
        case Operation::gemm:
            return make_gemm(c.kernel, context);
        case Operation::grouped_gemm:
            return make_grouped_gemm(c.kernel, context);
        case Operation::attention: {
            auto fused = make_cudnn_attention(c.kernel, context);
            return fused ? std::move(fused) : make_unfused_attention(c.kernel, context);
        }
        default:
            return make_pass(c, context);
    }
}

}  // namespace

Context::Context(int device) {
    ORRERY_CUDA(cudaSetDevice(device));
    ORRERY_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    owns_stream_ = true;
    prepare(device);
}

Context::Context(int device, cudaStream_t given, int share) : stream(given), multiprocessors(share) {
    ORRERY_CUDA(cudaSetDevice(device));
    prepare(device);
}

void Context::prepare(int device) {
    ORRERY_CUDA(cudaGetDeviceProperties(&properties, device));
    ORRERY_CUDA(cublasLtCreate(&blas_lt));
    ORRERY_CUDA(cublasCreate(&blas));
    workspace = DeviceBuffer(kWorkspace);
    one = DeviceBuffer(sizeof(float));
    const float value = 1;
    ORRERY_CUDA(cudaMemcpy(one.data(), &value, sizeof value, cudaMemcpyHostToDevice));
    ORRERY_CUDA(cublasSetStream(blas, stream));
    ORRERY_CUDA(cublasSetWorkspace(blas, workspace.data(), workspace.bytes()));
    if (multiprocessors > 0) ORRERY_CUDA(cublasSetSmCountTarget(blas, multiprocessors));
}

Context::~Context() {
    if (blas != nullptr) (void)cublasDestroy(blas);
    if (blas_lt != nullptr) (void)cublasLtDestroy(blas_lt);
    if (owns_stream_) (void)cudaStreamDestroy(stream);
}

std::unique_ptr<Launchable> make_launchable(const KernelCase& kernel_case, Context& context) {
    std::unique_ptr<Launchable> launchable = plan(kernel_case, context);
    if (launchable->operands().empty()) throw ExperimentError("no GPU kernel for " + describe(kernel_case));
    return launchable;
}

}  // namespace orrery::profiler::cuda
