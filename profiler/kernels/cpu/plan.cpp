#include "profiler/kernels/cpu/plan.hpp"

#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "profiler/kernels/cpu/passes.hpp"
#include "profiler/kernels/cpu/products.hpp"

namespace orrery::profiler::cpu {
namespace {

using Operands = std::span<std::byte* const>;
using Indices = std::shared_ptr<const std::vector<std::int64_t>>;

constexpr float kDropout = 0.1F;

float* floats(Operands operands, std::size_t i) {
    return reinterpret_cast<float*>(operands[i]);
}

std::size_t product(std::initializer_list<std::int64_t> sizes) {
    std::size_t out = 1;
    for (const std::int64_t size : sizes) out *= static_cast<std::size_t>(size);
    return out;
}

/// Collects operands in order: what a kernel reads, then what it writes.
class PlanBuilder {
  public:
    PlanBuilder& reads(std::size_t elements, std::size_t bytes = sizeof(float)) {
        plan_.operand_bytes.push_back(elements * bytes);
        plan_.random.push_back(bytes == sizeof(float));
        return *this;
    }
    PlanBuilder& writes(std::size_t elements, std::size_t bytes = sizeof(float)) {
        plan_.operand_bytes.push_back(elements * bytes);
        plan_.random.push_back(false);
        return *this;
    }
    Plan runs(std::function<void(Operands)> run) {
        plan_.run = std::move(run);
        return std::move(plan_);
    }

  private:
    Plan plan_;
};

/// `count` indices below `limit`, spread by a step that shares no factor with it: a permutation when count
/// equals limit.
Indices scattered(std::size_t count, std::size_t limit) {
    std::size_t step = std::max<std::size_t>(limit * 5 / 8, 1);
    while (std::gcd(step, limit) != 1) ++step;
    auto out = std::make_shared<std::vector<std::int64_t>>(count);
    std::size_t at = 0;
    for (std::int64_t& index : *out) {
        index = static_cast<std::int64_t>(at);
        at = (at + step) % limit;
    }
    return out;
}

Plan gemm_plan(const Kernel& k) {
    return PlanBuilder()
        .reads(product({k.batch, k.m, k.k}))
        .reads(product({k.batch, k.k, k.n}))
        .writes(product({k.batch, k.m, k.n}))
        .runs([k](Operands o) { gemm(k, floats(o, 0), floats(o, 1), floats(o, 2)); });
}

Plan attention_plan(const Kernel& k) {
    const std::int64_t kv_heads = k.kv_heads > 0 ? k.kv_heads : k.heads;
    const std::size_t query = product({k.batch, k.m, k.heads, k.k});
    const std::size_t key = product({k.batch, k.n, kv_heads, k.k});
    const std::size_t statistics = product({k.batch, k.heads, k.m});
    PlanBuilder builder;
    builder.reads(query).reads(key).reads(key);
    if (!k.backward) {
        return builder.writes(query).writes(statistics).runs([k](Operands o) {
            attention_forward(k, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3), floats(o, 4));
        });
    }
    builder.reads(query).reads(query).reads(statistics).writes(query).writes(key).writes(key);
    return builder.runs([k](Operands o) {
        attention_backward(k, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3), floats(o, 4),
                           floats(o, 5), floats(o, 6), floats(o, 7), floats(o, 8));
    });
}

Plan elementwise_plan(const KernelCase& c) {
    const std::size_t n = product({c.rows, c.width});
    const bool backward = c.kernel.backward;
    PlanBuilder b;
    switch (c.operation) {
        case Operation::add:
            return b.reads(n).reads(n).writes(n).runs(
                [n](Operands o) { add(n, floats(o, 0), floats(o, 1), floats(o, 2)); });
        case Operation::gelu:
            if (backward) {
                return b.reads(n).reads(n).writes(n).runs(
                    [n](Operands o) { gelu_backward(n, floats(o, 0), floats(o, 1), floats(o, 2)); });
            }
            return b.reads(n).writes(n).runs([n](Operands o) { gelu(n, floats(o, 0), floats(o, 1)); });
        case Operation::swiglu:
            if (backward) {
                return b.reads(n).reads(n).reads(n).writes(n).writes(n).runs([n](Operands o) {
                    swiglu_backward(n, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3), floats(o, 4));
                });
            }
            return b.reads(n).reads(n).writes(n).runs(
                [n](Operands o) { swiglu(n, floats(o, 0), floats(o, 1), floats(o, 2)); });
        case Operation::dropout_add:
            if (backward) {
                return b.reads(n).reads(n, 1).writes(n).runs([n](Operands o) {
                    dropout_backward(n, kDropout, floats(o, 0), reinterpret_cast<const std::uint8_t*>(o[1]),
                                     floats(o, 2));
                });
            }
            return b.reads(n).reads(n).writes(n).writes(n, 1).runs([n](Operands o) {
                dropout_add(n, kDropout, 1, floats(o, 0), floats(o, 1), floats(o, 2),
                            reinterpret_cast<std::uint8_t*>(o[3]));
            });
        case Operation::rotary: {
            const auto rows = static_cast<std::size_t>(c.rows);
            const auto width = static_cast<std::size_t>(c.width);
            const float direction = backward ? -1 : 1;
            auto cosine = std::make_shared<std::vector<float>>(rows * 64);
            auto sine = std::make_shared<std::vector<float>>(rows * 64);
            for (std::size_t i = 0; i < rows * 64; ++i) {
                (*cosine)[i] = std::cos(static_cast<float>(i));
                (*sine)[i] = std::sin(static_cast<float>(i));
            }
            return b.reads(n).runs([=](Operands o) {
                rotary(rows, width, direction, cosine->data(), sine->data(), floats(o, 0));
            });
        }
        case Operation::cast_down:
            return b.reads(n).writes(n, 2).runs(
                [n](Operands o) { cast_down(n, floats(o, 0), reinterpret_cast<std::uint16_t*>(o[1])); });
        case Operation::cast_up:
            return b.reads(n, 2).writes(n).runs(
                [n](Operands o) { cast_up(n, reinterpret_cast<const std::uint16_t*>(o[0]), floats(o, 1)); });
        case Operation::fill:
            return b.writes(n).runs([n](Operands o) { std::memset(o[0], 0, n * sizeof(float)); });
        case Operation::adam:
            return b.reads(n).reads(n).reads(n).reads(n).runs([n](Operands o) {
                adam(n, AdamStep{}, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3));
            });
        default:
            return b.reads(n).writes(n).runs([n](Operands o) { std::memcpy(o[1], o[0], n * sizeof(float)); });
    }
}

Plan normalization_plan(const KernelCase& c) {
    const std::size_t n = product({c.rows, c.width});
    const auto rows = static_cast<std::size_t>(c.rows);
    const auto width = static_cast<std::size_t>(c.width);
    PlanBuilder b;
    if (c.operation == Operation::norm_weight_gradient) {
        return b.reads(n).reads(n).reads(rows).reads(rows).writes(width).runs([=](Operands o) {
            norm_weight_gradient(rows, width, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3),
                                 floats(o, 4));
        });
    }
    const bool layer = c.operation == Operation::layer_norm;
    if (c.kernel.backward) {
        return b.reads(n).reads(n).reads(width).reads(rows).reads(rows).writes(n).runs([=](Operands o) {
            if (layer) {
                layer_norm_backward(rows, width, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3),
                                    floats(o, 4), floats(o, 5));
            } else {
                rms_norm_backward(rows, width, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3),
                                  floats(o, 5));
            }
        });
    }
    return b.reads(n).reads(width).reads(width).writes(n).writes(rows).writes(rows).runs([=](Operands o) {
        if (layer) {
            layer_norm(rows, width, floats(o, 0), floats(o, 1), floats(o, 2), floats(o, 3), floats(o, 4),
                       floats(o, 5));
        } else {
            rms_norm(rows, width, floats(o, 0), floats(o, 1), floats(o, 3), floats(o, 4));
        }
    });
}

Plan softmax_plan(const KernelCase& c) {
    const std::size_t n = product({c.rows, c.width});
    const auto rows = static_cast<std::size_t>(c.rows);
    const auto width = static_cast<std::size_t>(c.width);
    PlanBuilder b;
    if (c.operation == Operation::cross_entropy) {
        const Indices target = scattered(rows, width);
        if (c.kernel.backward) {
            const float scale = 1 / static_cast<float>(rows);
            return b.reads(n).reads(rows).writes(n).runs([=](Operands o) {
                cross_entropy_backward(rows, width, scale, floats(o, 0), target->data(), floats(o, 1),
                                       floats(o, 2));
            });
        }
        return b.reads(n).writes(rows).writes(rows).runs([=](Operands o) {
            cross_entropy(rows, width, floats(o, 0), target->data(), floats(o, 1), floats(o, 2));
        });
    }
    if (c.kernel.backward) {
        return b.reads(n).reads(n).writes(n).runs(
            [=](Operands o) { softmax_backward(rows, width, floats(o, 0), floats(o, 1), floats(o, 2)); });
    }
    return b.reads(n).writes(n).runs([=](Operands o) { softmax(rows, width, floats(o, 0), floats(o, 1)); });
}

Plan gather_plan(const KernelCase& c) {
    const std::size_t n = product({c.rows, c.width});
    const auto rows = static_cast<std::size_t>(c.rows);
    const auto width = static_cast<std::size_t>(c.width);
    PlanBuilder b;
    if (c.operation == Operation::moe_unpermute) {
        const Indices index = scattered(2 * rows, 2 * rows);
        return b.reads(2 * n).reads(2 * rows).writes(n).runs([=](Operands o) {
            unpermute(rows, width, floats(o, 0), index->data(), floats(o, 1), floats(o, 2));
        });
    }
    const Indices index = scattered(rows, rows);
    if (c.operation == Operation::embedding && c.kernel.backward) {
        return b.reads(n).reads(n).runs(
            [=](Operands o) { scatter_add(rows, width, floats(o, 0), index->data(), floats(o, 1)); });
    }
    return b.reads(n).writes(n).runs(
        [=](Operands o) { gather(rows, width, floats(o, 0), index->data(), floats(o, 1)); });
}

bool fp32_only(const KernelCase& c) {
    const bool cast = c.operation == Operation::cast_down || c.operation == Operation::cast_up;
    return cast ? c.kernel.precision == Precision::bf16 : c.kernel.precision == Precision::fp32;
}

}  // namespace

std::optional<Plan> plan_of(const KernelCase& c) {
    if (c.operation == Operation::device_copy) {
        const auto bytes = static_cast<std::size_t>(c.rows);
        return PlanBuilder().reads(bytes / 4).writes(bytes / 4).runs(
            [bytes](Operands o) { std::memcpy(o[1], o[0], bytes / 4 * 4); });
    }
    if (!fp32_only(c)) return std::nullopt;
    switch (c.operation) {
        case Operation::gemm:
        case Operation::grouped_gemm:
            return gemm_plan(c.kernel);
        case Operation::attention:
            return attention_plan(c.kernel);
        default:
            break;
    }
    const std::optional<MemoryFamily> family = info_of(c.operation).family;
    if (!family) return std::nullopt;
    switch (*family) {
        case MemoryFamily::normalization:
            return normalization_plan(c);
        case MemoryFamily::softmax:
            return softmax_plan(c);
        case MemoryFamily::gather:
            return gather_plan(c);
        default:
            return elementwise_plan(c);
    }
}

}  // namespace orrery::profiler::cpu
