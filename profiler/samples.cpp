#include "profiler/samples.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/csv.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"

namespace orrery::profiler {
namespace {

Table wrapped(csv::Table read) {
    Table table;
    table.file = std::move(read.file);
    table.columns = std::move(read.columns);
    for (csv::Row& row : read.rows) {
        table.rows.push_back(std::move(row.cells));
        table.lines.push_back(row.line);
    }
    return table;
}

std::int64_t integer(const Table& table, std::size_t row, std::string_view column) {
    const double value = table.number(row, column);
    if (value < 0 || value > 1e12 || value != std::floor(value)) {
        throw InputError({table.file, table.lines[row], 0}, std::string(column),
                         "expected a whole number, not negative");
    }
    return static_cast<std::int64_t>(value);
}

double positive(const Table& table, std::size_t row, std::string_view column) {
    const double value = table.number(row, column);
    if (value <= 0)
        throw InputError({table.file, table.lines[row], 0}, std::string(column), "expected a number > 0");
    return value;
}

template <class E>
E named(const Table& table, std::size_t row, std::string_view column,
        const std::vector<std::pair<std::string, E>>& names, std::string_view what) {
    const std::string& text = table.text(row, column);
    std::vector<std::string> known;
    for (const auto& [name, value] : names) {
        if (name == text) return value;
        known.push_back(name);
    }
    throw InputError({table.file, table.lines[row], 0}, std::string(column), unknown_name(what, text, known));
}

GemmLayout layout_of(const Table& table, std::size_t row) {
    static const std::vector<std::pair<std::string, GemmLayout>> names{
        {"TN", GemmLayout::tn}, {"NN", GemmLayout::nn}, {"NT", GemmLayout::nt}};
    return named(table, row, "layout", names, "layout");
}

double gemm_flops(const Kernel& kernel) {
    return 2.0 * static_cast<double>(kernel.batch) * static_cast<double>(kernel.m) *
           static_cast<double>(kernel.n) * static_cast<double>(kernel.k);
}

Kernel attention_kernel(AttentionImplementation which, bool backward, bool causal, std::int64_t batch,
                        std::int64_t sequence, std::int64_t heads, std::int64_t kv_heads,
                        std::int64_t head_dim) {
    Kernel kernel;
    kernel.kind = KernelKind::attention;
    kernel.attention = which;
    kernel.backward = backward;
    kernel.causal = causal;
    kernel.batch = batch;
    kernel.m = kernel.n = sequence;
    kernel.heads = heads;
    kernel.kv_heads = kv_heads;
    kernel.k = head_dim;
    return kernel;
}

}  // namespace

std::size_t Table::column(std::string_view name) const {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found == columns.end())
        throw InputError({file, 1, 0}, "", unknown_name("column asked for:", name, columns));
    return static_cast<std::size_t>(found - columns.begin());
}

bool Table::has(std::string_view name) const {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
}

const std::string& Table::text(std::size_t row, std::string_view name) const {
    return rows[row][column(name)];
}

double Table::number(std::size_t row, std::string_view name) const {
    const std::string& field = text(row, name);
    double value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc{} || end != field.data() + field.size() || !std::isfinite(value)) {
        throw InputError({file, lines[row], 0}, std::string(name),
                         "expected a number, found '" + field.substr(0, 40) + "'");
    }
    return value;
}

Table parse_csv(std::string_view text, const std::string& file) {
    return wrapped(csv::parse(text, file));
}

Table read_csv(const std::string& path) {
    return wrapped(csv::read(path));
}

Precision precision_of(const Table& table, std::size_t row, std::string_view column) {
    static const std::vector<std::pair<std::string, Precision>> names{{"bf16", Precision::bf16},
                                                                      {"fp16", Precision::fp16},
                                                                      {"fp8", Precision::fp8},
                                                                      {"tf32", Precision::tf32},
                                                                      {"fp32", Precision::fp32}};
    return named(table, row, column, names, "precision");
}

std::vector<Sample> merge_repeats(const std::vector<Sample>& samples) {
    std::vector<Sample> out;
    std::vector<int> count;
    for (const Sample& sample : samples) {
        const auto same =
            std::find_if(out.begin(), out.end(), [&](const Sample& s) { return s.kernel == sample.kernel; });
        if (same == out.end()) {
            out.push_back(sample);
            out.back().time_s = std::log(sample.time_s);
            count.push_back(1);
        } else {
            same->time_s += std::log(sample.time_s);
            ++count[static_cast<std::size_t>(same - out.begin())];
        }
    }
    for (std::size_t i = 0; i < out.size(); ++i) out[i].time_s = std::exp(out[i].time_s / count[i]);
    return out;
}

std::vector<Sample> gemm_samples(const Table& table, std::string_view gpu) {
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu) continue;
        Sample sample;
        sample.kernel.kind = KernelKind::gemm;
        sample.kernel.precision = precision_of(table, row, "precision");
        sample.kernel.batch = integer(table, row, "batch");
        sample.kernel.m = integer(table, row, "m");
        sample.kernel.n = integer(table, row, "n");
        sample.kernel.k = integer(table, row, "k");
        sample.kernel.layout = layout_of(table, row);
        sample.kernel.accumulate = table.text(row, "accumulate") == "1";
        sample.kernel.output = precision_of(table, row, "out_precision");
        sample.kernel.flops = gemm_flops(sample.kernel);
        sample.time_s = positive(table, row, "time_us") * 1e-6;
        sample.source = table.text(row, "source");
        out.push_back(std::move(sample));
    }
    return out;
}

std::vector<Sample> grouped_gemm_samples(const Table& table, std::string_view gpu) {
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu) continue;
        Sample sample;
        Kernel& kernel = sample.kernel;
        kernel.kind = KernelKind::grouped_gemm;
        kernel.precision = precision_of(table, row, "precision");
        kernel.batch = integer(table, row, "groups");
        kernel.m = integer(table, row, "m");
        kernel.n = integer(table, row, "n");
        kernel.k = integer(table, row, "k");
        const std::string& stage = table.text(row, "stage");
        kernel.backward = stage != "fwd";
        kernel.layout = stage == "fwd"          ? GemmLayout::tn
                        : stage == "bwd_grad_w" ? GemmLayout::nt
                                                : GemmLayout::nn;
        kernel.flops = gemm_flops(kernel);
        sample.time_s =
            kernel.flops / (positive(table, row, "efficiency") * positive(table, row, "peak_tflops") * 1e12);
        sample.source = table.text(row, "source");
        out.push_back(std::move(sample));
    }
    return out;
}

// This table counts 4 s^2 d FLOPs a head forward whether or not half of them are masked, and the kernels are
// causal; backward counts 2.5 times that.
std::vector<Sample> attention_samples(const Table& table, std::string_view gpu,
                                      AttentionImplementation which) {
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu) continue;
        const std::int64_t query_dim = integer(table, row, "qk_head_dim");
        const std::int64_t value_dim = integer(table, row, "v_head_dim");
        if (query_dim != value_dim) continue;  // multi-head latent attention has a kernel of its own
        Sample sample;
        sample.kernel =
            attention_kernel(which, table.text(row, "direction") == "backward", true,
                             integer(table, row, "batch"), integer(table, row, "seq_length"),
                             integer(table, row, "heads"), integer(table, row, "kv_heads"), query_dim);
        const auto s = static_cast<double>(sample.kernel.m);
        const double counted = 4.0 * s * s * static_cast<double>(query_dim * sample.kernel.heads) *
                               static_cast<double>(sample.kernel.batch) * (sample.kernel.backward ? 2.5 : 1);
        sample.kernel.flops = counted / 2;
        sample.time_s =
            counted / (positive(table, row, "efficiency") * positive(table, row, "peak_tflops") * 1e12);
        sample.source = table.text(row, "source");
        out.push_back(std::move(sample));
    }
    return out;
}

// FLOPs 4 s^2 d a head forward, 3.5 times that forward and backward, halved if causal; batch x seq = 16k
// tokens, hidden 2048. A forward+backward row keeps backward = false and flops of both: the fit prices both
// kernels.
std::vector<Sample> attention_speed_samples(const Table& table, std::string_view gpu) {
    static const std::vector<std::pair<std::string, AttentionImplementation>> names{
        {"unfused-pytorch", AttentionImplementation::unfused},
        {"flash-1", AttentionImplementation::flash1},
        {"flash-2", AttentionImplementation::flash2},
        {"flash-3", AttentionImplementation::flash3},
        {"cudnn", AttentionImplementation::cudnn}};
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu) continue;
        const std::int64_t sequence = integer(table, row, "seq_length");
        const std::int64_t head_dim = integer(table, row, "head_dim");
        if (sequence < 1 || head_dim < 1) continue;
        Sample sample;
        sample.kernel = attention_kernel(named(table, row, "implementation", names, "implementation"), false,
                                         table.text(row, "causal") == "1", 16384 / sequence, sequence,
                                         2048 / head_dim, 2048 / head_dim, head_dim);
        const double both = table.text(row, "direction") == "forward" ? 1 : 3.5;
        sample.kernel.flops =
            both * 4.0 * static_cast<double>(sequence) * 16384 * 2048 * (sample.kernel.causal ? 0.5 : 1);
        sample.time_s = sample.kernel.flops / (positive(table, row, "tflops") * 1e12);
        sample.source = table.text(row, "source");
        out.push_back(std::move(sample));
    }
    return out;
}

std::vector<Sample> memory_samples(const Table& table, std::string_view gpu) {
    using enum MemoryFamily;
    static const std::vector<std::pair<std::string, MemoryFamily>> names{
        {"elementwise", elementwise}, {"normalization", normalization}, {"softmax", softmax},
        {"gather", gather},           {"optimizer", optimizer},         {"fill", fill}};
    std::vector<Sample> out;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.text(row, "gpu") != gpu) continue;
        Sample sample;
        sample.kernel.kind = KernelKind::memory_bound;
        sample.kernel.family = named(table, row, "family", names, "family");
        sample.kernel.bytes = positive(table, row, "bytes");
        sample.time_s = positive(table, row, "time_us") * 1e-6;
        sample.what = table.text(row, "what");
        sample.timed_by_call = table.text(row, "timing") == "call";
        sample.source = table.text(row, "source");
        out.push_back(std::move(sample));
    }
    return out;
}

}  // namespace orrery::profiler
