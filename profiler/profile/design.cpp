#include "profiler/profile/design.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "models/emit.hpp"
#include "models/zoo.hpp"

namespace orrery::profiler {
namespace {

constexpr std::array<int, 8> kBases{2, 3, 5, 7, 11, 13, 17, 19};

/// The number between low and high whose logarithm is at `u` of the way, as a multiple of `step`.
std::int64_t spread(double u, double low, double high, std::int64_t step) {
    const double value = low * std::pow(high / low, u);
    return std::max<std::int64_t>(std::llround(value / static_cast<double>(step)), 1) * step;
}

using Cases = std::vector<KernelCase>;

Cases space_filling_gemms(Precision precision, int count, double most_flops) {
    // Four times the cube that a limited device takes: beyond, most points would be left out.
    const double most = most_flops > 0 ? std::clamp(4 * std::cbrt(most_flops / 2), 128.0, 32768.0) : 32768;
    Cases out;
    constexpr std::array kLayouts{GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};
    for (int i = 0; i < count; ++i) {
        const std::vector<double> u = halton(i + 20, 3);
        // One in eight is not aligned as tensor cores like it.
        const std::int64_t step = i % 8 == 7 ? (i % 16 == 7 ? 1 : 2) : 16;
        const GemmLayout layout = kLayouts[static_cast<std::size_t>(i) % kLayouts.size()];
        out.push_back(gemm_case(precision, layout, 1, spread(u[0], 64, most, step),
                                spread(u[1], 64, most, step), spread(u[2], 64, most, step),
                                layout == GemmLayout::nt && i % 2 == 0));
    }
    return out;
}

/// Scores of unfused attention, and experts as batches.
Cases batched_gemms(Precision precision, int count) {
    Cases out;
    for (int i = 0; i < count; ++i) {
        const std::vector<double> u = halton(i + 20, 3);
        const std::int64_t batch = spread(u[0], 2, 128, 1);
        const std::int64_t seq = spread(u[1], 128, 4096, 64);
        const std::int64_t head = u[2] < 0.5 ? 64 : 128;
        switch (i % 3) {
            case 0:
                out.push_back(gemm_case(precision, GemmLayout::tn, batch, seq, seq, head));
                break;
            case 1:
                out.push_back(gemm_case(precision, GemmLayout::nn, batch, head, seq, seq));
                break;
            default:
                out.push_back(gemm_case(precision, GemmLayout::nt, batch, head, seq, seq));
        }
    }
    return out;
}

Cases grouped_gemms(Precision precision, int count) {
    Cases out;
    constexpr std::array kLayouts{GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};
    for (int i = 0; i < count; ++i) {
        const std::vector<double> u = halton(i + 20, 4);
        out.push_back(grouped_gemm_case(precision, kLayouts[static_cast<std::size_t>(i) % 3],
                                        spread(u[0], 2, 64, 1), spread(u[1], 256, 8192, 64),
                                        spread(u[2], 16, 8192, 16), spread(u[3], 256, 8192, 64)));
    }
    return out;
}

Cases attentions(Precision precision, bool quick) {
    Cases out;
    for (const std::int64_t head_dim : {128, 64}) {
        for (std::int64_t seq = 512; seq <= 16384; seq *= quick ? 4 : 2) {
            for (const std::int64_t heads : {16, 4, 64}) {
                const std::int64_t batch = std::max<std::int64_t>(1, 8192 / seq);
                for (const bool causal : {true, false}) {
                    if (!causal && heads != 16) continue;
                    for (const bool backward : {false, true}) {
                        out.push_back(
                            attention_case(precision, batch, seq, heads, heads, head_dim, causal, backward));
                    }
                }
            }
        }
    }
    for (const bool backward : {false, true}) {  // grouped queries
        out.push_back(attention_case(precision, 1, 8192, 32, 8, 128, true, backward));
        out.push_back(attention_case(precision, 1, 4096, 16, 2, 128, true, backward));
    }
    return out;
}

/// For devices that a model's attention would take too long on.
Cases small_attentions(Precision precision) {
    Cases out;
    for (const std::int64_t head_dim : {64, 128}) {
        for (std::int64_t seq = 64; seq <= 512; seq *= 2) {
            for (const bool causal : {true, false}) {
                for (const bool backward : {false, true}) {
                    out.push_back(attention_case(precision, 1, seq, 4, 4, head_dim, causal, backward));
                }
            }
        }
    }
    return out;
}

/// Every memory-bound operation, both directions, over sizes from kilobytes to gigabytes, or to what the
/// device takes (`most_bytes`, 0: no limit; no operation counts more than 32 bytes an element).
Cases passes(Precision precision, int sizes, double most_bytes) {
    const double most = most_bytes > 0 ? std::clamp(most_bytes / 32, 32768.0, 5.0e8) : 5.0e8;
    Cases out;
    for (int i = 0; i < sizes; ++i) {
        for (const OperationInfo& info : operations()) {
            if (!info.family) continue;
            const bool cast = info.operation == Operation::cast_down || info.operation == Operation::cast_up;
            const Precision of = cast && bytes_of(precision) == 4 ? Precision::bf16 : precision;
            if (bytes_of(of) == 1) continue;
            const std::vector<double> u = halton(i + 3, 2);
            const bool logits = info.operation == Operation::cross_entropy;
            const std::int64_t width =
                logits ? spread(u[1], 4096, 131072, 128) : spread(u[1], 1024, 16384, 128);
            const std::int64_t rows = std::max<std::int64_t>(1, spread(u[0], 16384, most, 1) / width);
            out.push_back(memory_case(info.operation, of, rows, width));
            if (info.backward) out.push_back(memory_case(info.operation, of, rows, width, true));
        }
    }
    return out;
}

Cases systems(bool quick) {
    Cases out{system_case(Operation::usable_memory, 0), system_case(Operation::launch, 1),
              system_case(Operation::graph_launch, 1)};
    std::int64_t kernels = 10;  // of further graphs, one after each size
    for (std::int64_t bytes = 4096; bytes <= std::int64_t{1} << 30; bytes *= quick ? 16 : 4) {
        for (const Operation copy :
             {Operation::device_copy, Operation::copy_to_host, Operation::copy_from_host}) {
            out.push_back(system_case(copy, bytes));
        }
        if (kernels <= 1000) out.push_back(system_case(Operation::graph_launch, kernels));
        kernels *= 10;
    }
    return out;
}

/// The models' products are many and alike: at most `most`, evenly from the list.
Cases thinned(Cases cases, std::size_t most) {
    if (cases.size() <= most) return cases;
    Cases out;
    for (std::size_t i = 0; i < most; ++i) out.push_back(cases[i * cases.size() / most]);
    return out;
}

/// One of each list in turn, each list at its own pace, so that all end together.
Cases interleaved(const std::vector<Cases>& lists) {
    struct Turn {
        double at;
        std::size_t list;
        std::size_t index;
    };
    std::vector<Turn> turns;
    for (std::size_t list = 0; list < lists.size(); ++list) {
        for (std::size_t i = 0; i < lists[list].size(); ++i) {
            turns.push_back(
                {(static_cast<double>(i) + 0.5) / static_cast<double>(lists[list].size()), list, i});
        }
    }
    std::stable_sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) { return a.at < b.at; });
    Cases out;
    for (const Turn& turn : turns) out.push_back(lists[turn.list][turn.index]);
    return out;
}

std::set<Operation> operations_of(const std::vector<std::string>& only) {
    std::set<Operation> out;
    std::vector<std::string> names;
    for (const OperationInfo& info : operations()) names.emplace_back(info.name);
    for (const std::string& name : only) {
        const auto found = operation_named(name);
        if (!found) throw InputError({}, "--only", unknown_name("operation", name, names));
        out.insert(*found);
    }
    return out;
}

/// Evenly spread, without the neighbours in the zoo's order coming one after the other.
Cases shuffled(Cases cases) {
    // Steps of the golden section of the length visit all of it before coming back (Weyl).
    Cases out;
    if (cases.empty()) return out;
    std::size_t step =
        std::max<std::size_t>(static_cast<std::size_t>(static_cast<double>(cases.size()) * 0.618), 1);
    while (std::gcd(step, cases.size()) != 1) ++step;
    for (std::size_t i = 0, at = 0; i < cases.size(); ++i, at = (at + step) % cases.size())
        out.push_back(cases[at]);
    return out;
}

}  // namespace

std::vector<double> halton(std::int64_t i, int dimensions) {
    std::vector<double> out;
    for (int d = 0; d < dimensions; ++d) {
        const int base = kBases.at(static_cast<std::size_t>(d));
        double inverse = 0;
        double digit = 1;
        for (std::int64_t rest = i; rest > 0; rest /= base) {
            digit /= base;
            inverse += static_cast<double>(rest % base) * digit;
        }
        out.push_back(inverse);
    }
    return out;
}

std::vector<DesignPoint> design(const DesignOptions& options) {
    const std::set<Operation> wanted = operations_of(options.only);
    const bool quick = options.quick;
    std::vector<Cases> lists{systems(quick)};
    bool first = true;
    for (const Precision precision : options.precisions) {
        // The models' own precision gets the full set, the others a third of it.
        const double share = first ? 1 : 1.0 / 3;
        const auto count = [&](int full, int few) {
            return static_cast<int>((quick ? few : full) * share) + 1;
        };
        lists.push_back(shuffled(thinned(zoo_kernels(precision), static_cast<std::size_t>(count(420, 24)))));
        lists.push_back(space_filling_gemms(precision, count(240, 24), options.most_flops));
        lists.push_back(batched_gemms(precision, count(60, 6)));
        lists.push_back(grouped_gemms(precision, count(45, 6)));
        if (first && precision != Precision::fp8) {
            lists.push_back(shuffled(options.most_flops > 0 ? small_attentions(precision)
                                                            : attentions(precision, quick)));
            lists.push_back(passes(precision, quick ? 4 : 10, options.most_bytes));
        }
        first = false;
    }
    std::vector<DesignPoint> out;
    std::set<std::string> seen;
    for (const KernelCase& c : interleaved(lists)) {
        if (!wanted.empty() && !wanted.contains(c.operation)) continue;
        if (options.most_flops > 0 && c.kernel.flops > options.most_flops) continue;
        if (options.most_bytes > 0 && footprint(c) > options.most_bytes) continue;
        if (options.memory_bytes > 0 && footprint(c) > options.memory_bytes / 4) continue;
        if (!seen.insert(describe(c)).second) continue;
        out.push_back({c, CacheState::cold});
        const bool fits = info_of(c.operation).family && footprint(c) < options.cache_bytes / 2;
        if (fits && !quick) out.push_back({c, CacheState::hot});
    }
    return out;
}

std::vector<KernelCase> zoo_kernels(Precision precision) {
    Cases out;
    std::set<std::string> seen;
    models::Software software = models::load_software("megatron-core");
    for (const std::string& name : models::transformer_names()) {
        const models::TransformerShape transformer = models::load_transformer(name);
        const models::Model model = models::build_transformer(transformer);
        for (const int tp : {1, 2, 4, 8, 16}) {
            const bool towers = !transformer.towers.empty();  // whose tokens tp need not divide
            if (transformer.heads % tp != 0 || (towers && tp > 1)) continue;
            models::LocalShape shape;
            shape.tp = tp;
            shape.sequence_parallel = tp > 1;
            shape.precision = precision;
            std::vector<Kernel> kernels;
            for (const models::Layer& layer : model.types) {
                shape.seq = shape.keys = layer.tokens_of(transformer.seq_length);
                for (const models::Operator& op : layer.operators) {
                    models::emit_forward(op, shape, software, kernels);
                    models::emit_backward_input(op, shape, software, kernels);
                    models::emit_backward_weight(op, shape, software, kernels);
                }
            }
            for (const Kernel& kernel : kernels) {
                if (kernel.kind == KernelKind::memory_bound || kernel.precision != precision) continue;
                std::optional<KernelCase> one = case_of(kernel);
                if (!one) continue;
                // The implementation is the backend's choice, not the model's.
                one->kernel.attention = Kernel{}.attention;
                one->kernel.backward = kernel.kind == KernelKind::attention && kernel.backward;
                // fp8 products write 16 bits: the next operator is no product.
                if (one->kernel.output == Precision::fp8) one->kernel.output = Precision::bf16;
                if (seen.insert(describe(*one)).second) out.push_back(*one);
            }
        }
    }
    return out;
}

}  // namespace orrery::profiler
