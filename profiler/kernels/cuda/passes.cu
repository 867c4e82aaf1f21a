#include "profiler/kernels/cuda/passes.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>

namespace orrery::profiler::cuda {
namespace {

constexpr int kThreads = 256;
constexpr float kDropout = 0.1F;
constexpr float kEpsilon = 1e-5F;

__device__ inline float to_float(float x) {
    return x;
}
__device__ inline float to_float(__half x) {
    return __half2float(x);
}
__device__ inline float to_float(__nv_bfloat16 x) {
    return __bfloat162float(x);
}
template <class T>
__device__ T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
    return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
    return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
    return __float2bfloat16_rn(x);
}

/// V elements that load and store as one access.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
    T value[V];
};

__device__ inline std::uint64_t mixed(std::uint64_t x) {  // splitmix64 (Steele et al. 2014)
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

__device__ inline long long thread_index() {
    return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline long long thread_count() {
    return static_cast<long long>(gridDim.x) * blockDim.x;
}

template <class T>
struct Pointers {
    const void* in[4];
    void* out[3];
};

/// out_j[i] = f(in_0[i], ...)_j over n elements. `In` and `Out` are element types; all inputs (outputs) have
/// one.
template <class In, class Out, int Ins, int Outs, class F>
__global__ void elementwise(Pointers<In> p, long long n, F f) {
    constexpr int V = 16 / (sizeof(In) > sizeof(Out) ? sizeof(In) : sizeof(Out));
    const long long packs = n / V;
    for (long long i = thread_index(); i < packs; i += thread_count()) {
        Pack<In, V> in[Ins];
        Pack<Out, V> out[Outs];
#pragma unroll
        for (int j = 0; j < Ins; ++j) in[j] = reinterpret_cast<const Pack<In, V>*>(p.in[j])[i];
#pragma unroll
        for (int v = 0; v < V; ++v) {
            float x[Ins];
            float y[Outs];
#pragma unroll
            for (int j = 0; j < Ins; ++j) x[j] = to_float(in[j].value[v]);
            f(x, y);
#pragma unroll
            for (int j = 0; j < Outs; ++j) out[j].value[v] = from_float<Out>(y[j]);
        }
#pragma unroll
        for (int j = 0; j < Outs; ++j) reinterpret_cast<Pack<Out, V>*>(p.out[j])[i] = out[j];
    }
    for (long long i = packs * V + thread_index(); i < n; i += thread_count()) {
        float x[Ins];
        float y[Outs];
        for (int j = 0; j < Ins; ++j) x[j] = to_float(reinterpret_cast<const In*>(p.in[j])[i]);
        f(x, y);
        for (int j = 0; j < Outs; ++j) reinterpret_cast<Out*>(p.out[j])[i] = from_float<Out>(y[j]);
    }
}

struct Add {
    __device__ void operator()(const float* x, float* y) const { y[0] = x[0] + x[1]; }
};
struct Identity {
    __device__ void operator()(const float* x, float* y) const { y[0] = x[0]; }
};
struct Gelu {
    __device__ void operator()(const float* x, float* y) const {
        const float v = x[0];
        y[0] = 0.5F * v * (1 + tanhf(0.7978845608F * (v + 0.044715F * v * v * v)));
    }
};
struct GeluBackward {
    __device__ void operator()(const float* x, float* y) const {
        const float v = x[0];
        const float t = tanhf(0.7978845608F * (v + 0.044715F * v * v * v));
        const float inner = 0.7978845608F * (1 + 3 * 0.044715F * v * v);
        y[0] = x[1] * (0.5F * (1 + t) + 0.5F * v * (1 - t * t) * inner);
    }
};
struct Swiglu {
    __device__ void operator()(const float* x, float* y) const { y[0] = x[0] / (1 + __expf(-x[0])) * x[1]; }
};
struct SwigluBackward {
    __device__ void operator()(const float* x, float* y) const {
        const float sigmoid = 1 / (1 + __expf(-x[0]));
        y[0] = x[2] * x[1] * sigmoid * (1 + x[0] * (1 - sigmoid));
        y[1] = x[2] * x[0] * sigmoid;
    }
};

template <class T>
__global__ void dropout_add(const T* x, const T* residual, T* out, unsigned char* mask, long long n) {
    constexpr int V = 16 / sizeof(T);
    for (long long i = thread_index(); i < n / V; i += thread_count()) {
        const auto a = reinterpret_cast<const Pack<T, V>*>(x)[i];
        const auto b = reinterpret_cast<const Pack<T, V>*>(residual)[i];
        Pack<T, V> y;
        Pack<unsigned char, V> m;
        const std::uint64_t bits[2] = {mixed(2 * i), mixed(2 * i + 1)};
#pragma unroll
        for (int v = 0; v < V; ++v) {
            const bool keep =
                ((bits[v / 4] >> (16 * (v % 4))) & 0xFFFF) >= static_cast<std::uint64_t>(kDropout * 65536);
            m.value[v] = keep;
            y.value[v] =
                from_float<T>(to_float(b.value[v]) + (keep ? to_float(a.value[v]) / (1 - kDropout) : 0));
        }
        reinterpret_cast<Pack<T, V>*>(out)[i] = y;
        reinterpret_cast<Pack<unsigned char, V>*>(mask)[i] = m;
    }
}

template <class T>
__global__ void dropout_backward(const T* dout, const unsigned char* mask, T* dx, long long n) {
    constexpr int V = 16 / sizeof(T);
    for (long long i = thread_index(); i < n / V; i += thread_count()) {
        const auto g = reinterpret_cast<const Pack<T, V>*>(dout)[i];
        const auto m = reinterpret_cast<const Pack<unsigned char, V>*>(mask)[i];
        Pack<T, V> y;
#pragma unroll
        for (int v = 0; v < V; ++v)
            y.value[v] = from_float<T>(m.value[v] ? to_float(g.value[v]) / (1 - kDropout) : 0);
        reinterpret_cast<Pack<T, V>*>(dx)[i] = y;
    }
}

/// Pairs (i, i + 64) of each head of 128, in place; a thread turns two neighbours of each half.
template <class T>
__global__ void rotary(T* x, const float* cosine, const float* sine, long long rows, long long width,
                       float direction) {
    const long long pairs = width / 4;  // of two
    for (long long i = thread_index(); i < rows * pairs; i += thread_count()) {
        const long long row = i / pairs;
        const long long within = i % pairs;
        const long long head = within / 32;
        const long long at = within % 32 * 2;
        T* low = x + row * width + head * 128 + at;
        auto a = *reinterpret_cast<Pack<T, 2>*>(low);
        auto b = *reinterpret_cast<Pack<T, 2>*>(low + 64);
        const float2 c = *reinterpret_cast<const float2*>(cosine + row * 64 + at);
        const float2 s = *reinterpret_cast<const float2*>(sine + row * 64 + at);
#pragma unroll
        for (int v = 0; v < 2; ++v) {
            const float p = to_float(a.value[v]);
            const float q = to_float(b.value[v]);
            const float cos_v = v == 0 ? c.x : c.y;
            const float sin_v = direction * (v == 0 ? s.x : s.y);
            a.value[v] = from_float<T>(p * cos_v - q * sin_v);
            b.value[v] = from_float<T>(q * cos_v + p * sin_v);
        }
        *reinterpret_cast<Pack<T, 2>*>(low) = a;
        *reinterpret_cast<Pack<T, 2>*>(low + 64) = b;
    }
}

struct Pair {
    float a;
    float b;
};

/// Sums of both members over the block, in every thread.
__device__ inline Pair block_sum(Pair p) {
    __shared__ float scratch[2][32];
    for (int offset = 16; offset > 0; offset /= 2) {
        p.a += __shfl_xor_sync(0xFFFFFFFF, p.a, offset);
        p.b += __shfl_xor_sync(0xFFFFFFFF, p.b, offset);
    }
    const int warp = threadIdx.x / 32;
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
        scratch[0][warp] = p.a;
        scratch[1][warp] = p.b;
    }
    __syncthreads();
    p = {0, 0};
    for (int i = 0; i < static_cast<int>(blockDim.x) / 32; ++i) {
        p.a += scratch[0][i];
        p.b += scratch[1][i];
    }
    return p;
}

__device__ inline float block_maximum(float x) {
    __shared__ float scratch[32];
    for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFF, x, offset));
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    for (int i = 0; i < static_cast<int>(blockDim.x) / 32; ++i) x = fmaxf(x, scratch[i]);
    return x;
}

/// f(i, value) over a row, 16 bytes a thread where it is aligned.
template <class T, class F>
__device__ void for_row(const T* row, long long width, F f) {
    constexpr int V = 16 / sizeof(T);
    if (width % V == 0) {
        for (long long i = threadIdx.x; i < width / V; i += blockDim.x) {
            const auto pack = reinterpret_cast<const Pack<T, V>*>(row)[i];
#pragma unroll
            for (int v = 0; v < V; ++v) f(i * V + v, to_float(pack.value[v]));
        }
    } else {
        for (long long i = threadIdx.x; i < width; i += blockDim.x) f(i, to_float(row[i]));
    }
}

/// out[i] = f(i, x[i], y[i]) over a row; y may be x.
template <class T, class F>
__device__ void map_row(const T* x, const T* y, T* out, long long width, F f) {
    constexpr int V = 16 / sizeof(T);
    if (width % V == 0) {
        for (long long i = threadIdx.x; i < width / V; i += blockDim.x) {
            const auto a = reinterpret_cast<const Pack<T, V>*>(x)[i];
            const auto b = reinterpret_cast<const Pack<T, V>*>(y)[i];
            Pack<T, V> result;
#pragma unroll
            for (int v = 0; v < V; ++v) {
                result.value[v] = from_float<T>(f(i * V + v, to_float(a.value[v]), to_float(b.value[v])));
            }
            reinterpret_cast<Pack<T, V>*>(out)[i] = result;
        }
    } else {
        for (long long i = threadIdx.x; i < width; i += blockDim.x) {
            out[i] = from_float<T>(f(i, to_float(x[i]), to_float(y[i])));
        }
    }
}

template <class T, bool Layer>
__global__ void norm(const T* x, const float* weight, const float* bias, T* out, float* mean, float* inverse,
                     long long width) {
    const T* row = x + blockIdx.x * width;
    Pair sum{0, 0};
    for_row(row, width, [&](long long, float v) { sum.a += v, sum.b += v * v; });
    sum = block_sum(sum);
    const float average = Layer ? sum.a / width : 0;
    const float scale = rsqrtf(fmaxf(sum.b / width - average * average, 0) + kEpsilon);
    map_row(row, row, out + blockIdx.x * width, width, [&](long long i, float v, float) {
        return (v - average) * scale * weight[i] + (Layer ? bias[i] : 0);
    });
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = average;
        inverse[blockIdx.x] = scale;
    }
}

template <class T, bool Layer>
__global__ void norm_backward(const T* x, const T* dout, const float* weight, const float* mean,
                              const float* inverse, T* dx, long long width) {
    const T* row = x + blockIdx.x * width;
    const T* gradient = dout + blockIdx.x * width;
    const float average = Layer ? mean[blockIdx.x] : 0;
    const float scale = inverse[blockIdx.x];
    Pair sum{0, 0};
    constexpr int V = 16 / sizeof(T);
    if (width % V == 0) {
        for (long long i = threadIdx.x; i < width / V; i += blockDim.x) {
            const auto a = reinterpret_cast<const Pack<T, V>*>(row)[i];
            const auto b = reinterpret_cast<const Pack<T, V>*>(gradient)[i];
#pragma unroll
            for (int v = 0; v < V; ++v) {
                const float g = to_float(b.value[v]) * weight[i * V + v];
                sum.a += g;
                sum.b += g * (to_float(a.value[v]) - average);
            }
        }
    } else {
        for (long long i = threadIdx.x; i < width; i += blockDim.x) {
            const float g = to_float(gradient[i]) * weight[i];
            sum.a += g;
            sum.b += g * (to_float(row[i]) - average);
        }
    }
    sum = block_sum(sum);
    const float offset = Layer ? sum.a / width : 0;
    const float along = sum.b / width * scale * scale;
    map_row(row, gradient, dx + blockIdx.x * width, width, [&](long long i, float v, float g) {
        return (g * weight[i] - offset - (v - average) * along) * scale;
    });
}

/// Each block sums a strip of rows for 2 columns a thread and adds it to the total.
template <class T>
__global__ void norm_weight_gradient(const T* x, const T* dout, const float* mean, const float* inverse,
                                     float* dweight, long long rows, long long width, long long strip) {
    const long long column = 2 * (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (column + 1 >= width) return;
    float sum[2] = {0, 0};
    const long long begin = blockIdx.y * strip;
    for (long long row = begin; row < min(begin + strip, rows); ++row) {
        const auto a = *reinterpret_cast<const Pack<T, 2>*>(x + row * width + column);
        const auto b = *reinterpret_cast<const Pack<T, 2>*>(dout + row * width + column);
#pragma unroll
        for (int v = 0; v < 2; ++v)
            sum[v] += to_float(b.value[v]) * (to_float(a.value[v]) - mean[row]) * inverse[row];
    }
    atomicAdd(dweight + column, sum[0]);
    atomicAdd(dweight + column + 1, sum[1]);
}

/// Largest value and sum of exponentials below it, of a row, in every thread.
template <class T>
__device__ Pair row_softmax_statistics(const T* row, long long width, float scale) {
    float top = -INFINITY;
    float total = 0;
    for_row(row, width, [&](long long, float v) {
        v *= scale;
        if (v > top) {
            total *= __expf(top - v);
            top = v;
        }
        total += __expf(v - top);
    });
    const float highest = block_maximum(top);
    const Pair sum = block_sum({top == -INFINITY ? 0 : total * __expf(top - highest), 0});
    return {highest, sum.a};
}

template <class T>
__global__ void softmax(const T* x, T* out, long long width) {
    const T* row = x + blockIdx.x * width;
    const Pair s = row_softmax_statistics(row, width, 1);
    const float inverse = 1 / s.b;
    map_row(row, row, out + blockIdx.x * width, width,
            [&](long long, float v, float) { return __expf(v - s.a) * inverse; });
}

template <class T>
__global__ void softmax_backward(const T* out, const T* dout, T* dx, long long width, float scale) {
    const T* y = out + blockIdx.x * width;
    const T* g = dout + blockIdx.x * width;
    Pair sum{0, 0};
    for (long long i = threadIdx.x; i < width; i += blockDim.x) sum.a += to_float(y[i]) * to_float(g[i]);
    sum = block_sum(sum);
    map_row(y, g, dx + blockIdx.x * width, width,
            [&](long long, float p, float d) { return p * (d - sum.a) * scale; });
}

/// In place; keys beyond `seen` become zero.
template <class T>
__global__ void scores_softmax(T* scores, long long queries, long long width, bool causal, float scale) {
    T* row = scores + blockIdx.x * width;
    const long long seen = causal ? min(width, blockIdx.x % queries + width - queries + 1) : width;
    const Pair s = row_softmax_statistics(row, seen, scale);
    const float inverse = 1 / s.b;
    map_row(row, row, row, width,
            [&](long long i, float v, float) { return i < seen ? __expf(v * scale - s.a) * inverse : 0.0F; });
}

template <class T>
__global__ void cross_entropy(const T* logits, const long long* target, float* loss, float* log_sum,
                              long long width) {
    const T* row = logits + blockIdx.x * width;
    const Pair s = row_softmax_statistics(row, width, 1);
    if (threadIdx.x == 0) {
        log_sum[blockIdx.x] = s.a + logf(s.b);
        loss[blockIdx.x] = log_sum[blockIdx.x] - to_float(row[target[blockIdx.x]]);
    }
}

template <class T>
__global__ void cross_entropy_backward(const T* logits, const long long* target, const float* log_sum,
                                       T* dlogits, long long width, float scale) {
    const T* row = logits + blockIdx.x * width;
    const long long hit = target[blockIdx.x];
    const float top = log_sum[blockIdx.x];
    map_row(row, row, dlogits + blockIdx.x * width, width,
            [&](long long i, float v, float) { return (__expf(v - top) - (i == hit ? 1 : 0)) * scale; });
}

template <class T>
__global__ void gather(const T* table, const long long* index, T* out, long long width) {
    const T* from = table + index[blockIdx.x] * width;
    map_row(from, from, out + blockIdx.x * width, width, [](long long, float v, float) { return v; });
}

template <class T>
__global__ void scatter_add(const T* in, const long long* index, float* table, long long width) {
    float* to = table + index[blockIdx.x] * width;
    for_row(in + blockIdx.x * width, width, [&](long long i, float v) { atomicAdd(to + i, v); });
}

template <class T>
__global__ void unpermute(const T* in, const long long* index, const float* weight, T* out, long long width) {
    const T* a = in + index[2 * blockIdx.x] * width;
    const T* b = in + index[2 * blockIdx.x + 1] * width;
    const float w = weight[2 * blockIdx.x];
    const float v = weight[2 * blockIdx.x + 1];
    map_row(a, b, out + blockIdx.x * width, width,
            [&](long long, float x, float y) { return w * x + v * y; });
}

__global__ void adam(float4* parameter, const float4* gradient, float4* first, float4* second,
                     long long packs) {
    constexpr float kBeta1 = 0.9F;
    constexpr float kBeta2 = 0.95F;
    const auto step = [](float& p, float g, float& m, float& v) {
        m = kBeta1 * m + (1 - kBeta1) * g;
        v = kBeta2 * v + (1 - kBeta2) * g * g;
        p -= 1e-4F * (m / 0.1F / (sqrtf(v / 0.05F) + 1e-8F) + 0.1F * p);
    };
    for (long long i = thread_index(); i < packs; i += thread_count()) {
        float4 p = parameter[i];
        const float4 g = gradient[i];
        float4 m = first[i];
        float4 v = second[i];
        step(p.x, g.x, m.x, v.x);
        step(p.y, g.y, m.y, v.y);
        step(p.z, g.z, m.z, v.z);
        step(p.w, g.w, m.w, v.w);
        parameter[i] = p;
        first[i] = m;
        second[i] = v;
    }
}

__global__ void empty() {}

template <class T>
__global__ void random_values(T* out, long long n, std::uint64_t seed) {
    for (long long i = thread_index(); i < n; i += thread_count()) {
        // The sum of four uniforms: near normal, mean 0, deviation 0.58.
        const std::uint64_t bits = mixed(seed + i);
        float sum = -2;
        for (int j = 0; j < 4; ++j) sum += static_cast<float>((bits >> (16 * j)) & 0xFFFF) / 65536;
        out[i] = from_float<T>(sum);
    }
}

/// fp8 operands: bits of E4M3 with exponents around one, sign and mantissa random; never NaN.
__global__ void random_fp8(unsigned char* out, long long n, std::uint64_t seed) {
    for (long long i = thread_index(); i < n; i += thread_count()) {
        const std::uint64_t bits = mixed(seed + i);
        out[i] = static_cast<unsigned char>((bits & 0x87) | ((5 + (bits >> 8) % 3) << 3));
    }
}

__global__ void random_positive(float* out, long long n, std::uint64_t seed) {
    for (long long i = thread_index(); i < n; i += thread_count()) {
        out[i] = (static_cast<float>(mixed(seed + i) >> 40) + 1) / 16777216.0F;
    }
}

__global__ void random_mask(unsigned char* out, long long n, std::uint64_t seed) {
    for (long long i = thread_index(); i < n; i += thread_count()) out[i] = (mixed(seed + i) & 0xFF) >= 26;
}

__global__ void stepped(long long* out, long long n, long long step, long long modulus) {
    for (long long i = thread_index(); i < n; i += thread_count()) out[i] = i * step % modulus;
}

int blocks_for(long long threads) {
    return static_cast<int>(std::clamp<long long>((threads + kThreads - 1) / kThreads, 1, 1 << 20));
}

/// Blocks of an elementwise pass over n elements, eight of them a thread.
int pass_blocks(long long n) {
    return blocks_for(n / 8 + 1);
}

template <class T, int Ins, int Outs, class F>
void run_elementwise(void* const* operands, long long n, F f, cudaStream_t stream) {
    Pointers<T> p{};
    for (int i = 0; i < Ins; ++i) p.in[i] = operands[i];
    for (int i = 0; i < Outs; ++i) p.out[i] = operands[Ins + i];
    elementwise<T, T, Ins, Outs><<<pass_blocks(n), kThreads, 0, stream>>>(p, n, f);
}

template <class In, class Out>
void run_cast(void* const* operands, long long n, cudaStream_t stream) {
    Pointers<In> p{};
    p.in[0] = operands[0];
    p.out[0] = operands[1];
    elementwise<In, Out, 1, 1><<<pass_blocks(n), kThreads, 0, stream>>>(p, n, Identity{});
}

template <class T>
cudaError_t run(const KernelCase& c, void* const* o, cudaStream_t stream) {
    const long long rows = c.rows;
    const long long width = c.width;
    const long long n = rows * width;
    const bool backward = c.kernel.backward;
    const auto blocks = static_cast<unsigned>(rows);
    const auto in = [o](int i) { return static_cast<const T*>(o[i]); };
    const auto out = [o](int i) { return static_cast<T*>(o[i]); };
    const auto fp32 = [o](int i) { return static_cast<float*>(o[i]); };
    const auto index = [o](int i) { return static_cast<const long long*>(o[i]); };
    switch (c.operation) {
        case Operation::add:
            run_elementwise<T, 2, 1>(o, n, Add{}, stream);
            break;
        case Operation::copy:
            run_elementwise<T, 1, 1>(o, n, Identity{}, stream);
            break;
        case Operation::gelu:
            if (backward) {
                run_elementwise<T, 2, 1>(o, n, GeluBackward{}, stream);
            } else {
                run_elementwise<T, 1, 1>(o, n, Gelu{}, stream);
            }
            break;
        case Operation::swiglu:
            if (backward) {
                run_elementwise<T, 3, 2>(o, n, SwigluBackward{}, stream);
            } else {
                run_elementwise<T, 2, 1>(o, n, Swiglu{}, stream);
            }
            break;
        case Operation::dropout_add:
            if (backward) {
                dropout_backward<T><<<pass_blocks(n), kThreads, 0, stream>>>(
                    in(0), static_cast<const unsigned char*>(o[1]), out(2), n);
            } else {
                dropout_add<T><<<pass_blocks(n), kThreads, 0, stream>>>(in(0), in(1), out(2),
                                                                        static_cast<unsigned char*>(o[3]), n);
            }
            break;
        case Operation::rotary:
            rotary<T><<<blocks_for(n / 4), kThreads, 0, stream>>>(out(0), fp32(1), fp32(2), rows, width,
                                                                  backward ? -1.0F : 1.0F);
            break;
        case Operation::cast_down:
            run_cast<float, T>(o, n, stream);
            break;
        case Operation::cast_up:
            run_cast<T, float>(o, n, stream);
            break;
        case Operation::layer_norm:
        case Operation::rms_norm: {
            const bool layer = c.operation == Operation::layer_norm;
            if (backward && layer) {
                norm_backward<T, true>
                    <<<blocks, kThreads, 0, stream>>>(in(0), in(1), fp32(2), fp32(3), fp32(4), out(5), width);
            } else if (backward) {
                norm_backward<T, false>
                    <<<blocks, kThreads, 0, stream>>>(in(0), in(1), fp32(2), fp32(3), fp32(4), out(5), width);
            } else if (layer) {
                norm<T, true><<<blocks, kThreads, 0, stream>>>(in(0), fp32(1), fp32(2), out(3), fp32(4),
                                                               fp32(5), width);
            } else {
                norm<T, false><<<blocks, kThreads, 0, stream>>>(in(0), fp32(1), fp32(2), out(3), fp32(4),
                                                                fp32(5), width);
            }
            break;
        }
        case Operation::norm_weight_gradient: {
            const long long strip = std::max<long long>(16, rows / 64);
            const dim3 grid(static_cast<unsigned>((width / 2 + kThreads - 1) / kThreads),
                            static_cast<unsigned>((rows + strip - 1) / strip));
            norm_weight_gradient<T>
                <<<grid, kThreads, 0, stream>>>(in(0), in(1), fp32(2), fp32(3), fp32(4), rows, width, strip);
            break;
        }
        case Operation::softmax:
            if (backward) {
                softmax_backward<T><<<blocks, kThreads, 0, stream>>>(in(0), in(1), out(2), width, 1);
            } else {
                softmax<T><<<blocks, kThreads, 0, stream>>>(in(0), out(1), width);
            }
            break;
        case Operation::cross_entropy:
            if (backward) {
                cross_entropy_backward<T><<<blocks, 1024, 0, stream>>>(
                    in(0), index(1), fp32(2), out(3), width, 1.0F / static_cast<float>(rows));
            } else {
                cross_entropy<T><<<blocks, 1024, 0, stream>>>(in(0), index(1), fp32(2), fp32(3), width);
            }
            break;
        case Operation::embedding:
            if (backward) {
                scatter_add<T><<<blocks, kThreads, 0, stream>>>(in(0), index(1), fp32(2), width);
            } else {
                gather<T><<<blocks, kThreads, 0, stream>>>(in(0), index(1), out(2), width);
            }
            break;
        case Operation::moe_permute:
            gather<T><<<blocks, kThreads, 0, stream>>>(in(0), index(1), out(2), width);
            break;
        case Operation::moe_unpermute:
            unpermute<T><<<blocks, kThreads, 0, stream>>>(in(0), index(1), fp32(2), out(3), width);
            break;
        case Operation::adam:
            adam<<<pass_blocks(n), kThreads, 0, stream>>>(
                static_cast<float4*>(o[0]), static_cast<const float4*>(o[1]), static_cast<float4*>(o[2]),
                static_cast<float4*>(o[3]), n / 4);
            break;
        case Operation::fill:
            return cudaMemsetAsync(o[0], 0, static_cast<std::size_t>(n) * sizeof(T), stream);
        default:
            return cudaErrorInvalidValue;
    }
    return cudaGetLastError();
}

/// Greatest common divisor is one: every residue is met once in `modulus` steps.
long long coprime_step(long long modulus) {
    const auto divisor = [](long long a, long long b) {
        while (b != 0) {
            const long long rest = a % b;
            a = b;
            b = rest;
        }
        return a;
    };
    long long step = std::max<long long>(modulus * 5 / 8, 1);
    while (divisor(step, modulus) != 1) ++step;
    return step;
}

}  // namespace

std::vector<Operand> pass_operands(const KernelCase& c) {
    const auto rows = static_cast<std::size_t>(c.rows);
    const auto width = static_cast<std::size_t>(c.width);
    const std::size_t n = rows * width;
    const auto e = static_cast<std::size_t>(bytes_of(c.kernel.precision));
    const bool backward = c.kernel.backward;
    const Operand x{n, e, Contents::random};
    const Operand wide{n, 4, Contents::random_fp32};
    const Operand weight{width, 4, Contents::random_fp32};
    const Operand statistic{rows, 4, Contents::random_fp32};
    const Operand index{rows, 8, Contents::permutation};
    switch (c.operation) {
        case Operation::add:
            return {x, x, x};
        case Operation::copy:
            return {x, x};
        case Operation::gelu:
            return backward ? std::vector{x, x, x} : std::vector{x, x};
        case Operation::swiglu:
            return backward ? std::vector{x, x, x, x, x} : std::vector{x, x, x};
        case Operation::dropout_add: {
            const Operand mask{n, 1, Contents::mask};
            return backward ? std::vector{x, mask, x} : std::vector{x, x, x, mask};
        }
        case Operation::rotary: {
            const Operand angle{rows * 64, 4, Contents::random_fp32};
            return {x, angle, angle};
        }
        case Operation::cast_down:
            return {wide, x};
        case Operation::cast_up:
            return {x, wide};
        case Operation::layer_norm:
        case Operation::rms_norm:
            if (backward) return {x, x, weight, statistic, statistic, x};
            return {x, weight, weight, x, statistic, statistic};
        case Operation::norm_weight_gradient:
            return {x, x, statistic, statistic, weight};
        case Operation::softmax:
            return backward ? std::vector{x, x, x} : std::vector{x, x};
        case Operation::cross_entropy: {
            const Operand target{rows, 8, Contents::target};
            return backward ? std::vector{x, target, statistic, x}
                            : std::vector{x, target, statistic, statistic};
        }
        case Operation::embedding:
            return backward ? std::vector{x, index, wide} : std::vector{x, index, x};
        case Operation::moe_permute:
            return {x, index, x};
        case Operation::moe_unpermute:
            return {Operand{2 * n, e, Contents::random}, Operand{2 * rows, 8, Contents::permutation},
                    Operand{2 * rows, 4, Contents::random_fp32}, x};
        case Operation::adam:
            return {wide, wide, wide, wide};
        case Operation::fill:
            return {x};
        default:
            return {};
    }
}

cudaError_t launch_pass(const KernelCase& c, void* const* operands, cudaStream_t stream) {
    switch (c.kernel.precision) {
        case Precision::fp32:
        case Precision::tf32:
            return run<float>(c, operands, stream);
        case Precision::fp16:
            return run<__half>(c, operands, stream);
        case Precision::bf16:
            return run<__nv_bfloat16>(c, operands, stream);
        case Precision::fp8:
            break;
    }
    return cudaErrorInvalidValue;
}

cudaError_t fill_operand(const Operand& operand, Precision precision, std::int64_t width,
                         unsigned long long seed, void* data, cudaStream_t stream) {
    const auto n = static_cast<long long>(operand.count);
    const int blocks = std::min(blocks_for(n), 8192);
    switch (operand.contents) {
        case Contents::random:
            if (operand.element == 1) {
                random_fp8<<<blocks, kThreads, 0, stream>>>(static_cast<unsigned char*>(data), n, seed);
            } else if (operand.element == 4) {
                random_values<<<blocks, kThreads, 0, stream>>>(static_cast<float*>(data), n, seed);
            } else if (precision == Precision::fp16) {
                random_values<<<blocks, kThreads, 0, stream>>>(static_cast<__half*>(data), n, seed);
            } else {
                random_values<<<blocks, kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(data), n, seed);
            }
            break;
        case Contents::random_fp32:
            random_positive<<<blocks, kThreads, 0, stream>>>(static_cast<float*>(data), n, seed);
            break;
        case Contents::mask:
            random_mask<<<blocks, kThreads, 0, stream>>>(static_cast<unsigned char*>(data), n, seed);
            break;
        case Contents::permutation:
            stepped<<<blocks, kThreads, 0, stream>>>(static_cast<long long*>(data), n, coprime_step(n), n);
            break;
        case Contents::target:
            stepped<<<blocks, kThreads, 0, stream>>>(static_cast<long long*>(data), n, coprime_step(width),
                                                     width);
            break;
    }
    return cudaGetLastError();
}

cudaError_t launch_scores_softmax(Precision precision, std::int64_t rows, std::int64_t queries,
                                  std::int64_t width, bool causal, float scale, void* scores,
                                  cudaStream_t stream) {
    const auto blocks = static_cast<unsigned>(rows);
    if (bytes_of(precision) == 4) {
        scores_softmax<<<blocks, kThreads, 0, stream>>>(static_cast<float*>(scores), queries, width, causal,
                                                        scale);
    } else if (precision == Precision::fp16) {
        scores_softmax<<<blocks, kThreads, 0, stream>>>(static_cast<__half*>(scores), queries, width, causal,
                                                        scale);
    } else {
        scores_softmax<<<blocks, kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(scores), queries, width,
                                                        causal, scale);
    }
    return cudaGetLastError();
}

cudaError_t launch_scores_softmax_backward(Precision precision, std::int64_t rows, std::int64_t width,
                                           float scale, const void* probabilities, void* gradient,
                                           cudaStream_t stream) {
    const auto blocks = static_cast<unsigned>(rows);
    const auto launch = [&](auto* typed) {
        using T = std::remove_pointer_t<decltype(typed)>;
        softmax_backward<T><<<blocks, kThreads, 0, stream>>>(static_cast<const T*>(probabilities), typed,
                                                             typed, width, scale);
    };
    if (bytes_of(precision) == 4) {
        launch(static_cast<float*>(gradient));
    } else if (precision == Precision::fp16) {
        launch(static_cast<__half*>(gradient));
    } else {
        launch(static_cast<__nv_bfloat16*>(gradient));
    }
    return cudaGetLastError();
}

cudaError_t launch_empty(cudaStream_t stream) {
    empty<<<1, 1, 0, stream>>>();
    return cudaGetLastError();
}

}  // namespace orrery::profiler::cuda
