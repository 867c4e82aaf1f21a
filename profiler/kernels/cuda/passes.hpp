// profiler/kernels/cuda/passes.hpp
//
// The memory-bound operations on a GPU: Orrery's own kernels, one launch each (an embedding's gradient and a
// norm's weight gradient too). 16 bytes a thread and access where rows are aligned; one thread block a row
// where a row is reduced.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

#include "profiler/kernels/kernel_case.hpp"

namespace orrery::profiler::cuda {

/// What an operand holds when the kernel starts.
enum class Contents : unsigned char {
    random,       ///< of the case's precision
    random_fp32,  ///< in (0, 1]
    mask,         ///< bytes 0 or 1
    permutation,  ///< int64: 0 .. count - 1 in a scattered order
    target,       ///< int64 below the case's width
};

struct Operand {
    std::size_t count = 0;
    std::size_t element = 0;  ///< bytes
    Contents contents = Contents::random;

    [[nodiscard]] std::size_t bytes() const { return count * element; }
};

/// The operands of a memory-bound case, in the order launch_pass takes them. Empty for one that the GPU's
/// kernels do not cover.
std::vector<Operand> pass_operands(const KernelCase& kernel_case);

/// Launches it. Returns what cudaGetLastError says.
cudaError_t launch_pass(const KernelCase& kernel_case, void* const* operands, cudaStream_t stream);

/// Fills an operand as its contents say, from a counter-based generator.
cudaError_t fill_operand(const Operand& operand, Precision precision, std::int64_t width,
                         unsigned long long seed, void* data, cudaStream_t stream);

/// Softmax of `rows` rows of `width` scores in place, scaled; causal: row i of each block of `queries` rows
/// sees keys up to i + width - queries. And its gradient: dscores = p (dp - sum(p dp)) scale, in place of dp.
cudaError_t launch_scores_softmax(Precision precision, std::int64_t rows, std::int64_t queries,
                                  std::int64_t width, bool causal, float scale, void* scores,
                                  cudaStream_t stream);
cudaError_t launch_scores_softmax_backward(Precision precision, std::int64_t rows, std::int64_t width,
                                           float scale, const void* probabilities, void* gradient,
                                           cudaStream_t stream);

/// A kernel that does nothing.
cudaError_t launch_empty(cudaStream_t stream);

}  // namespace orrery::profiler::cuda
