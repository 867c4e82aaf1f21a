// profiler/kernels/cpu/passes.hpp
//
// The memory-bound operations on the CPU, one thread, fp32. Arrays are rows x width, row-major, unless said
// otherwise; statistics and indices have one entry a row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace orrery::profiler::cpu {

inline constexpr float kEpsilon = 1e-5F;  ///< under the root of norms

void add(std::size_t elements, const float* a, const float* b, float* out);
/// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel 2016, section 2.
void gelu(std::size_t elements, const float* x, float* out);
void gelu_backward(std::size_t elements, const float* x, const float* dout, float* dx);
/// out = silu(gate) up (Shazeer 2020); gate and up are two arrays.
void swiglu(std::size_t elements, const float* gate, const float* up, float* out);
void swiglu_backward(std::size_t elements, const float* gate, const float* up, const float* dout,
                     float* dgate, float* dup);
/// out = residual + keep x / (1 - p), keep drawn from a counter-based generator; the mask is kept.
void dropout_add(std::size_t elements, float p, std::uint64_t seed, const float* x, const float* residual,
                 float* out, std::uint8_t* mask);
void dropout_backward(std::size_t elements, float p, const float* dout, const std::uint8_t* mask, float* dx);
/// Rotates the pairs (i, i + 64) of each head of 128 in place by the row's angles (Su et al. 2021); cosine
/// and sine are rows x 64. `direction` -1 is the backward. Precondition: width is a multiple of 128.
void rotary(std::size_t rows, std::size_t width, float direction, const float* cosine, const float* sine,
            float* x);
void cast_down(std::size_t elements, const float* x, std::uint16_t* out);  ///< to bf16, round to nearest even
void cast_up(std::size_t elements, const std::uint16_t* x, float* out);    ///< from bf16

void layer_norm(std::size_t rows, std::size_t width, const float* x, const float* weight, const float* bias,
                float* out, float* mean, float* inverse_deviation);
void layer_norm_backward(std::size_t rows, std::size_t width, const float* x, const float* dout,
                         const float* weight, const float* mean, const float* inverse_deviation, float* dx);
void rms_norm(std::size_t rows, std::size_t width, const float* x, const float* weight, float* out,
              float* inverse_rms);
void rms_norm_backward(std::size_t rows, std::size_t width, const float* x, const float* dout,
                       const float* weight, const float* inverse_rms, float* dx);
/// dweight[j] = sum over rows of dout (x - mean) inverse_deviation.
void norm_weight_gradient(std::size_t rows, std::size_t width, const float* x, const float* dout,
                          const float* mean, const float* inverse_deviation, float* dweight);

void softmax(std::size_t rows, std::size_t width, const float* x, float* out);
void softmax_backward(std::size_t rows, std::size_t width, const float* out, const float* dout, float* dx);
/// loss[row] = log sum exp(logits) - logits[target]; log_sum is kept.
void cross_entropy(std::size_t rows, std::size_t width, const float* logits, const std::int64_t* target,
                   float* loss, float* log_sum);
/// dlogits = (softmax - one hot) scale.
void cross_entropy_backward(std::size_t rows, std::size_t width, float scale, const float* logits,
                            const std::int64_t* target, const float* log_sum, float* dlogits);

/// out[row] = table[index[row]]: an embedding, and the permutation of tokens to experts.
void gather(std::size_t rows, std::size_t width, const float* table, const std::int64_t* index, float* out);
/// table[index[row]] += rows of `in`.
void scatter_add(std::size_t rows, std::size_t width, const float* in, const std::int64_t* index,
                 float* table);
/// out[row] = weight[2 row] in[index[2 row]] + weight[2 row + 1] in[index[2 row + 1]].
void unpermute(std::size_t rows, std::size_t width, const float* in, const std::int64_t* index,
               const float* weight, float* out);

/// One step of Adam with decoupled weight decay (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter
/// 2019).
struct AdamStep {
    float learning_rate = 1e-4F;
    float beta1 = 0.9F;
    float beta2 = 0.95F;
    float epsilon = 1e-8F;
    float weight_decay = 0.1F;
    float correction1 = 0.1F;   ///< 1 - beta1^t
    float correction2 = 0.05F;  ///< 1 - beta2^t
};
void adam(std::size_t elements, const AdamStep& step, float* parameter, const float* gradient, float* first,
          float* second);

}  // namespace orrery::profiler::cpu
