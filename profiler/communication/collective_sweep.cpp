#include "profiler/communication/collective_sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;

/// The program of nccl-tests that measures it.
const char* test_name(CollectiveKind kind) {
    switch (kind) {
        case CollectiveKind::all_reduce:
            return "all_reduce_perf";
        case CollectiveKind::all_gather:
            return "all_gather_perf";
        case CollectiveKind::reduce_scatter:
            return "reduce_scatter_perf";
        case CollectiveKind::broadcast:
            return "broadcast_perf";
        case CollectiveKind::reduce:
            return "reduce_perf";
        case CollectiveKind::all_to_all:
            return "alltoall_perf";
        case CollectiveKind::gather:
            return "gather_perf";
        case CollectiveKind::scatter:
            return "scatter_perf";
        case CollectiveKind::send_recv:
            return "sendrecv_perf";
        default:
            return "";
    }
}

bool reduces(CollectiveKind kind) {
    return kind == CollectiveKind::all_reduce || kind == CollectiveKind::reduce_scatter ||
           kind == CollectiveKind::reduce;
}

bool rooted(CollectiveKind kind) {
    return kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce ||
           kind == CollectiveKind::gather || kind == CollectiveKind::scatter;
}

std::string head(CollectiveKind kind, const GroupShape& shape, const CollectiveRunner& runner) {
    std::string out = fmt::format(
        "# Collective test starting: {}\n# {}\n# Group of {} ranks, {} apart\n#\n# Using devices\n",
        test_name(kind), runner.library(), shape.size, shape.stride);
    const std::vector<std::string> ranks = runner.describe_ranks();
    for (int i = 0; i < shape.size; ++i) {
        out += "#  " + ranks.at(static_cast<std::size_t>(i) * static_cast<std::size_t>(shape.stride)) + "\n";
    }
    out += fmt::format("#\n#{:>61}{:>35}\n", "out-of-place", "in-place");
    out += fmt::format("#{:>11}{:>14}{:>10}{:>8}{:>8}{:>9}{:>8}{:>8}{:>7}{:>9}{:>8}{:>8}{:>7}\n", "size",
                       "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "time", "algbw",
                       "busbw", "#wrong");
    out +=
        fmt::format("#{:>11}{:>14}{:>10}{:>8}{:>8}{:>9}{:>8}{:>8}{:>7}{:>9}{:>8}{:>8}{:>7}\n", "(B)",
                    "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(GB/s)", "(GB/s)", "");
    return out;
}

std::string microseconds(double seconds) {
    const double us = seconds * 1e6;
    return us >= 1e4   ? fmt::format("{:.0f}", us)
           : us >= 1e3 ? fmt::format("{:.1f}", us)
                       : fmt::format("{:.2f}", us);
}

/// In place is not measured; nothing is checked for wrong values.
std::string row(CollectiveKind kind, std::size_t bytes, double seconds, const GroupShape& shape) {
    const double algorithm = static_cast<double>(bytes) / seconds / 1e9;
    return fmt::format("{:>12}{:>14}{:>10}{:>8}{:>8}{:>9}{:>8.2f}{:>8.2f}{:>7}{:>9}{:>8}{:>8}{:>7}\n", bytes,
                       bytes / 4, "float", reduces(kind) ? "sum" : "none", rooted(kind) ? "0" : "-1",
                       microseconds(seconds), algorithm, algorithm * bus_factor(kind, shape.size), "N/A",
                       "N/A", "N/A", "N/A", "N/A");
}

/// Divisible into equal shares of whole floats.
std::size_t usable(std::size_t bytes, int ranks) {
    const std::size_t step = 4 * static_cast<std::size_t>(ranks);
    return std::max(bytes / step, std::size_t{1}) * step;
}

void sweep_sizes(CollectiveRunner& runner, CollectiveKind kind, const GroupShape& shape,
                 const SweepOptions& options, const std::function<void(const std::string&)>& emit) {
    std::size_t last = 0;
    double before = 0;
    for (std::size_t bytes = options.least_bytes; bytes <= options.most_bytes; bytes *= 2) {
        const std::size_t size = usable(bytes, shape.size);
        if (size == last) continue;
        last = size;
        // The time of the size before, twice, tells how many iterations there is time for.
        const double most = before > 0 ? options.most_seconds_a_row / (2 * before) : options.iterations;
        const int iterations =
            static_cast<int>(std::clamp(most, 2.0, static_cast<double>(options.iterations)));
        before = runner.time(kind, size, std::min(options.warm_up, iterations), iterations);
        emit(row(kind, size, before, shape));
    }
}

}  // namespace

std::vector<GroupShape> group_shapes(int ranks) {
    std::vector<GroupShape> out;
    const auto add = [&out, ranks](int size, int stride) {
        const GroupShape shape{size, stride};
        if (size < 2 || (size - 1) * stride >= ranks) return;
        if (std::find(out.begin(), out.end(), shape) == out.end()) out.push_back(shape);
    };
    for (int size = 2; size < ranks; size *= 2) add(size, 1);
    add(ranks, 1);
    add(2, ranks / 2);
    add(ranks / 2, 2);
    return out;
}

double bus_factor(CollectiveKind kind, int ranks) {
    const double n = ranks;
    switch (kind) {
        case CollectiveKind::all_reduce:
            return 2 * (n - 1) / n;
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::all_to_all:
        case CollectiveKind::gather:
        case CollectiveKind::scatter:
            return (n - 1) / n;
        default:
            return 1;
    }
}

void sweep_collectives(CollectiveRunner& runner, const SweepOptions& options,
                       const std::function<void(const std::string&)>& write) {
    const auto emit = [&](const std::string& text) {
        if (runner.first()) write(text);
    };
    for (const GroupShape& shape : group_shapes(runner.ranks())) {
        runner.use_group(shape);
        for (const CollectiveKind kind : options.kinds) {
            emit(head(kind, shape, runner));
            sweep_sizes(runner, kind, shape, options, emit);
            emit("# Out of bounds values : N/A\n#\n\n");
        }
    }
}

}  // namespace orrery::profiler
