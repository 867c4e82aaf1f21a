// profiler/kernels/cuda/launchable.hpp
//
// A kernel case planned for a GPU: which operands it takes and how it is launched over them. The backend
// allocates operands for it; an executor may hand in its own. One file a family makes them.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <vector>

#include "profiler/kernels/cuda/device_memory.hpp"
#include "profiler/kernels/cuda/passes.hpp"

namespace orrery::profiler::cuda {

/// What all launches on one stream of a GPU share.
class Context {
  public:
    /// A stream of its own, on all of the GPU.
    explicit Context(int device);
    /// The stream is the caller's, and outlives it; it has so many multiprocessors to itself (0: all).
    Context(int device, cudaStream_t given, int share);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    cudaStream_t stream = nullptr;
    int multiprocessors = 0;  ///< of the stream's share; 0: all
    cublasHandle_t blas = nullptr;
    cublasLtHandle_t blas_lt = nullptr;
    DeviceBuffer workspace;  ///< of the products
    DeviceBuffer one;        ///< a float 1: the scale of fp8 operands
    cudaDeviceProp properties{};

  private:
    void prepare(int device);

    bool owns_stream_ = false;
};

class Launchable {
  public:
    Launchable() = default;
    virtual ~Launchable() = default;
    Launchable(const Launchable&) = delete;
    Launchable& operator=(const Launchable&) = delete;

    [[nodiscard]] virtual std::vector<Operand> operands() const = 0;
    [[nodiscard]] virtual std::string implementation() const = 0;
    /// Enqueues it on the context's stream. Throws ExperimentError for what CUDA refuses.
    virtual void launch(void* const* operands) = 0;
};

/// cuBLASLt's first choice for the product. fp8 products are TN, as the hardware has them: the framework
/// transposes operands beforehand. Throws ExperimentError when cuBLASLt offers nothing.
std::unique_ptr<Launchable> make_gemm(const Kernel& kernel, Context& context);
/// cublasGemmGroupedBatchedEx: fp32, fp16, bf16.
std::unique_ptr<Launchable> make_grouped_gemm(const Kernel& kernel, Context& context);
/// Batched products with a softmax between them, scores in memory.
std::unique_ptr<Launchable> make_unfused_attention(const Kernel& kernel, Context& context);
/// cuDNN's fused attention; nothing where this build has no cuDNN or cuDNN has no plan for it.
std::unique_ptr<Launchable> make_cudnn_attention(const Kernel& kernel, Context& context);
std::unique_ptr<Launchable> make_pass(const KernelCase& kernel_case, Context& context);

/// Of any family: the one that the profiler measures for the case. Throws ExperimentError where there is
/// none.
std::unique_ptr<Launchable> make_launchable(const KernelCase& kernel_case, Context& context);

/// "cuDNN 9.19.0", or "no cuDNN".
std::string cudnn_version();

cudaDataType_t data_type(Precision precision);
cublasComputeType_t compute_type(Precision precision);

}  // namespace orrery::profiler::cuda
