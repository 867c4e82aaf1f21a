#include "profiler/kernels/cpu/passes.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <cstring>

namespace orrery::profiler::cpu {
namespace {

using Eigen::ArrayXf;
using Eigen::Index;
using Array = Eigen::Map<ArrayXf>;
using ConstArray = Eigen::Map<const ArrayXf>;

ConstArray view(const float* data, std::size_t elements) {
    return {data, static_cast<Index>(elements)};
}
Array view(float* data, std::size_t elements) {
    return {data, static_cast<Index>(elements)};
}

constexpr float kRootTwoOverPi = 0.7978845608F;
constexpr float kCubic = 0.044715F;

/// The finaliser of splitmix64 (Steele et al. 2014): a number for each counter.
std::uint64_t mixed(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
}

}  // namespace

void add(std::size_t elements, const float* a, const float* b, float* out) {
    view(out, elements) = view(a, elements) + view(b, elements);
}

void gelu(std::size_t elements, const float* x, float* out) {
    const ConstArray v = view(x, elements);
    view(out, elements) = 0.5F * v * (1 + (kRootTwoOverPi * (v + kCubic * v.cube())).tanh());
}

void gelu_backward(std::size_t elements, const float* x, const float* dout, float* dx) {
    for (std::size_t i = 0; i < elements; ++i) {
        const float v = x[i];
        const float t = std::tanh(kRootTwoOverPi * (v + kCubic * v * v * v));
        const float inner = kRootTwoOverPi * (1 + 3 * kCubic * v * v);
        dx[i] = dout[i] * (0.5F * (1 + t) + 0.5F * v * (1 - t * t) * inner);
    }
}

void swiglu(std::size_t elements, const float* gate, const float* up, float* out) {
    const ConstArray g = view(gate, elements);
    view(out, elements) = g / (1 + (-g).exp()) * view(up, elements);
}

void swiglu_backward(std::size_t elements, const float* gate, const float* up, const float* dout,
                     float* dgate, float* dup) {
    for (std::size_t i = 0; i < elements; ++i) {
        const float sigmoid = 1 / (1 + std::exp(-gate[i]));
        dup[i] = dout[i] * gate[i] * sigmoid;
        dgate[i] = dout[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
    }
}

void dropout_add(std::size_t elements, float p, std::uint64_t seed, const float* x, const float* residual,
                 float* out, std::uint8_t* mask) {
    const auto threshold = static_cast<std::uint64_t>(static_cast<double>(p) * 4294967296.0);
    const float scale = 1 / (1 - p);
    for (std::size_t i = 0; i < elements; ++i) {
        const bool keep = (mixed(seed + i) >> 32U) >= threshold;
        mask[i] = keep ? 1 : 0;
        out[i] = residual[i] + (keep ? x[i] * scale : 0);
    }
}

void dropout_backward(std::size_t elements, float p, const float* dout, const std::uint8_t* mask, float* dx) {
    const float scale = 1 / (1 - p);
    for (std::size_t i = 0; i < elements; ++i) dx[i] = mask[i] != 0 ? dout[i] * scale : 0;
}

void rotary(std::size_t rows, std::size_t width, float direction, const float* cosine, const float* sine,
            float* x) {
    constexpr std::size_t kHalf = 64;
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray c = view(cosine + row * kHalf, kHalf);
        const ConstArray s = view(sine + row * kHalf, kHalf);
        for (std::size_t head = 0; head < width; head += 2 * kHalf) {
            Array low = view(x + row * width + head, kHalf);
            Array high = view(x + row * width + head + kHalf, kHalf);
            const ArrayXf rotated = low * c - direction * high * s;
            high = high * c + direction * low * s;
            low = rotated;
        }
    }
}

void cast_down(std::size_t elements, const float* x, std::uint16_t* out) {
    for (std::size_t i = 0; i < elements; ++i) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, x + i, sizeof bits);
        out[i] = static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
    }
}

void cast_up(std::size_t elements, const std::uint16_t* x, float* out) {
    for (std::size_t i = 0; i < elements; ++i) {
        const std::uint32_t bits = static_cast<std::uint32_t>(x[i]) << 16U;
        std::memcpy(out + i, &bits, sizeof bits);
    }
}

void layer_norm(std::size_t rows, std::size_t width, const float* x, const float* weight, const float* bias,
                float* out, float* mean, float* inverse_deviation) {
    const ConstArray w = view(weight, width);
    const ConstArray b = view(bias, width);
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(x + row * width, width);
        mean[row] = v.mean();
        inverse_deviation[row] = 1 / std::sqrt((v - mean[row]).square().mean() + kEpsilon);
        view(out + row * width, width) = (v - mean[row]) * inverse_deviation[row] * w + b;
    }
}

void layer_norm_backward(std::size_t rows, std::size_t width, const float* x, const float* dout,
                         const float* weight, const float* mean, const float* inverse_deviation, float* dx) {
    const ConstArray w = view(weight, width);
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(x + row * width, width);
        const ConstArray g = view(dout + row * width, width);
        const float inverse = inverse_deviation[row];
        const float average = (g * w).mean();
        const float along = (g * w * (v - mean[row])).mean() * inverse * inverse;
        view(dx + row * width, width) = (g * w - average - (v - mean[row]) * along) * inverse;
    }
}

void rms_norm(std::size_t rows, std::size_t width, const float* x, const float* weight, float* out,
              float* inverse_rms) {
    const ConstArray w = view(weight, width);
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(x + row * width, width);
        inverse_rms[row] = 1 / std::sqrt(v.square().mean() + kEpsilon);
        view(out + row * width, width) = v * inverse_rms[row] * w;
    }
}

void rms_norm_backward(std::size_t rows, std::size_t width, const float* x, const float* dout,
                       const float* weight, const float* inverse_rms, float* dx) {
    const ConstArray w = view(weight, width);
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(x + row * width, width);
        const ConstArray g = view(dout + row * width, width);
        const float inverse = inverse_rms[row];
        const float along = (g * w * v).mean() * inverse * inverse;
        view(dx + row * width, width) = (g * w - v * along) * inverse;
    }
}

void norm_weight_gradient(std::size_t rows, std::size_t width, const float* x, const float* dout,
                          const float* mean, const float* inverse_deviation, float* dweight) {
    Array sum = view(dweight, width);
    sum.setZero();
    for (std::size_t row = 0; row < rows; ++row) {
        sum += view(dout + row * width, width) * (view(x + row * width, width) - mean[row]) *
               inverse_deviation[row];
    }
}

void softmax(std::size_t rows, std::size_t width, const float* x, float* out) {
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(x + row * width, width);
        Array result = view(out + row * width, width);
        result = (v - v.maxCoeff()).exp();
        result *= 1 / result.sum();
    }
}

void softmax_backward(std::size_t rows, std::size_t width, const float* out, const float* dout, float* dx) {
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray y = view(out + row * width, width);
        const ConstArray g = view(dout + row * width, width);
        view(dx + row * width, width) = y * (g - (y * g).sum());
    }
}

void cross_entropy(std::size_t rows, std::size_t width, const float* logits, const std::int64_t* target,
                   float* loss, float* log_sum) {
    for (std::size_t row = 0; row < rows; ++row) {
        const ConstArray v = view(logits + row * width, width);
        const float top = v.maxCoeff();
        log_sum[row] = top + std::log((v - top).exp().sum());
        loss[row] = log_sum[row] - v[static_cast<Index>(target[row])];
    }
}

void cross_entropy_backward(std::size_t rows, std::size_t width, float scale, const float* logits,
                            const std::int64_t* target, const float* log_sum, float* dlogits) {
    for (std::size_t row = 0; row < rows; ++row) {
        Array result = view(dlogits + row * width, width);
        result = (view(logits + row * width, width) - log_sum[row]).exp() * scale;
        result[static_cast<Index>(target[row])] -= scale;
    }
}

void gather(std::size_t rows, std::size_t width, const float* table, const std::int64_t* index, float* out) {
    for (std::size_t row = 0; row < rows; ++row) {
        std::memcpy(out + row * width, table + static_cast<std::size_t>(index[row]) * width,
                    width * sizeof(float));
    }
}

void scatter_add(std::size_t rows, std::size_t width, const float* in, const std::int64_t* index,
                 float* table) {
    for (std::size_t row = 0; row < rows; ++row) {
        view(table + static_cast<std::size_t>(index[row]) * width, width) += view(in + row * width, width);
    }
}

void unpermute(std::size_t rows, std::size_t width, const float* in, const std::int64_t* index,
               const float* weight, float* out) {
    for (std::size_t row = 0; row < rows; ++row) {
        view(out + row * width, width) =
            weight[2 * row] * view(in + static_cast<std::size_t>(index[2 * row]) * width, width) +
            weight[2 * row + 1] * view(in + static_cast<std::size_t>(index[2 * row + 1]) * width, width);
    }
}

void adam(std::size_t elements, const AdamStep& step, float* parameter, const float* gradient, float* first,
          float* second) {
    Array p = view(parameter, elements);
    Array m = view(first, elements);
    Array v = view(second, elements);
    const ConstArray g = view(gradient, elements);
    constexpr std::size_t kChunk = 4096;  // stays in the first-level cache between the three statements
    for (std::size_t from = 0; from < elements; from += kChunk) {
        const auto at = static_cast<Index>(from);
        const auto length = static_cast<Index>(std::min(kChunk, elements - from));
        m.segment(at, length) = step.beta1 * m.segment(at, length) + (1 - step.beta1) * g.segment(at, length);
        v.segment(at, length) =
            step.beta2 * v.segment(at, length) + (1 - step.beta2) * g.segment(at, length).square();
        p.segment(at, length) -=
            step.learning_rate * (m.segment(at, length) / step.correction1 /
                                      ((v.segment(at, length) / step.correction2).sqrt() + step.epsilon) +
                                  step.weight_decay * p.segment(at, length));
    }
}

}  // namespace orrery::profiler::cpu
