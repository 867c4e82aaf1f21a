#include "profiler/nccl_tests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "core/error.hpp"

namespace orrery::profiler {
namespace {

using Words = std::vector<std::string_view>;
using sim::CollectiveKind;

constexpr std::size_t kMostColumns = 64;
constexpr int kMostRanks = 1'000'000;

constexpr std::array<std::pair<std::string_view, CollectiveKind>, 9> kPrograms{{
    {"all_reduce_perf", CollectiveKind::all_reduce},
    {"all_gather_perf", CollectiveKind::all_gather},
    {"reduce_scatter_perf", CollectiveKind::reduce_scatter},
    {"alltoall_perf", CollectiveKind::all_to_all},
    {"sendrecv_perf", CollectiveKind::send_recv},
    {"broadcast_perf", CollectiveKind::broadcast},
    {"gather_perf", CollectiveKind::gather},
    {"scatter_perf", CollectiveKind::scatter},
    {"reduce_perf", CollectiveKind::reduce},
}};

/// The program that the line names: its name as a word of its own, after a path at most.
std::optional<CollectiveKind> program_in(std::string_view line) {
    for (const auto& [name, kind] : kPrograms) {
        for (std::size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
            const char before = at == 0 ? ' ' : line[at - 1];
            if (before == ' ' || before == '/' || before == '\t' || before == '"') return kind;
        }
    }
    return std::nullopt;
}

Words words_of(std::string_view line) {
    Words words;
    std::size_t at = 0;
    while (words.size() < kMostColumns) {
        at = line.find_first_not_of(" \t\r", at);
        if (at == std::string_view::npos) break;
        const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
        words.push_back(line.substr(at, end - at));
        at = end;
    }
    return words;
}

/// Without what mpirun --tag-output ("[1,0]<stdout>:") and srun --label ("0: ") put before it.
std::string_view without_label(std::string_view line) {
    if (const std::size_t tag = line.find("<stdout>:");
        line.starts_with('[') && tag != std::string_view::npos)
        line.remove_prefix(tag + 9);
    const std::size_t digits = line.find_first_not_of("0123456789");
    if (digits != 0 && digits != std::string_view::npos && line[digits] == ':' &&
        (digits + 1 == line.size() || line[digits + 1] == ' '))
        line.remove_prefix(digits + 1);
    return line;
}

std::optional<double> number(std::string_view word) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

/// The whole number that follows `word`, or nothing.
std::optional<int> count_after(const Words& words, std::string_view word) {
    const auto at = std::ranges::find(words, word);
    if (at == words.end() || std::next(at) == words.end()) return std::nullopt;
    int value = 0;
    const std::string_view text = *std::next(at);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool is_reduction(std::string_view word) {
    constexpr std::array<std::string_view, 6> names{"sum", "prod", "min", "max", "avg", "mulsum"};
    return std::ranges::find(names, word) != names.end();
}

/// size ... time algbw busbw error, once or twice.
struct Columns {
    std::size_t block = 0;   ///< columns of one measurement
    std::size_t blocks = 0;  ///< out of place, in place
};

std::optional<Columns> header(const Words& words) {
    if (words.size() < 6 || words[0] != "#" || words[1] != "size") return std::nullopt;
    const auto is_time = [](std::string_view word) { return word == "time" || word == "cputime"; };
    const auto first = std::ranges::find_if(words, is_time);
    if (first == words.end()) return std::nullopt;
    const auto second = std::find_if(std::next(first), words.end(), is_time);
    const auto block = static_cast<std::size_t>(second - first);
    if (block < 3 || block > 5) return std::nullopt;
    return Columns{block, second == words.end() ? std::size_t{1} : std::size_t{2}};
}

/// "NCCL version 2.21.5+cuda12.4" (NCCL_DEBUG=VERSION), behind whatever stands before it in the line.
std::optional<std::string> version_in(const Words& words) {
    for (std::size_t w = 0; w + 2 < words.size(); ++w)
        if (words[w] == "NCCL" && words[w + 1] == "version") return std::string(words[w + 2]);
    return std::nullopt;
}

class Reader {
  public:
    explicit Reader(const std::string& f) : file(f) {}

    std::vector<NcclSweep> run(std::string_view text) {
        for (std::size_t at = 0; at < text.size(); ++line) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            read_line(without_label(text.substr(at, end - at)));
            at = end + 1;
        }
        finish();
        if (sweeps.empty()) throw InputError({file, 1, 0}, "size", "no row of nccl-tests in this file");
        return std::move(sweeps);
    }

  private:
    void read_line(std::string_view text) {
        const Words words = words_of(text);
        if (words.empty()) return;
        if (const auto program = program_in(text)) named = program;
        if (const auto found = version_in(words)) version = *found;
        if (words[0] != "#") {
            if (columns && number(words[0])) read_row(words);
            return;
        }
        if (const auto found = header(words)) {
            finish();
            columns = found;
        } else if (words.size() > 1 && words[1] == "nThread") {
            const int threads = count_after(words, "nThread").value_or(1);
            const int gpus = count_after(words, "nGpus").value_or(1);
            if (threads < 1 || threads > 1024 || gpus < 1 || gpus > 1024)
                throw InputError({file, line, 0}, "nGpus", "expected numbers from 1 to 1024");
            per_process = threads * gpus;
        } else if (words.size() > 2 && words[1] == "Using" && words[2] == "devices") {
            finish();
            ranks = 0;
            hosts.clear();
        } else if (words.size() > 2 && words[1] == "Rank") {
            read_rank(words, text);
        } else if (text.find("Avg bus bandwidth") != std::string_view::npos) {
            read_average(words);
        }
    }

    /// "#  Rank  0 Group  0 Pid 313 on host device  0 [0x18] NVIDIA H100 80GB HBM3"
    void read_rank(const Words& words, std::string_view text) {
        if (++ranks > kMostRanks) throw InputError({file, line, 0}, "Rank", "too many ranks");
        const auto on = std::ranges::find(words, "on");
        hosts.emplace(on == words.end() || std::next(on) == words.end() ? std::string_view()
                                                                        : *std::next(on));
        const std::size_t bus = text.find(']');
        if (bus == std::string_view::npos) return;
        const std::string_view rest = text.substr(bus + 1);
        const std::size_t first = rest.find_first_not_of(' ');
        if (first != std::string_view::npos)
            gpu = rest.substr(first, rest.find_last_not_of(" \r") + 1 - first);
    }

    void read_average(const Words& words) {
        const auto colon = std::ranges::find(words, ":");
        if (colon == words.end() || std::next(colon) == words.end() || sweep.rows.empty()) return;
        if (const auto average = number(*std::next(colon))) sweep.stated_average = *average * 1e9;
        finish();
    }

    void read_row(const Words& words) {
        const std::size_t measured = columns->block * columns->blocks;
        if (words.size() < 3 + measured || words.size() > 6 + measured)
            throw InputError({file, line, 0}, "size",
                             fmt::format("a row of {} columns under a header of {} measured ones",
                                         words.size(), measured));
        if (sweep.rows.empty()) sweep.line = line;
        NcclRow row;
        row.bytes = positive(words[0], "size", 1e15);
        const std::size_t first = words.size() - measured;
        for (std::size_t w = 3; w < first; ++w) reduces = reduces || is_reduction(words[w]);
        if (const auto root = number(words[first - 1]); first > 3 && root && *root >= 0) rooted = true;
        if (wrong(words, first)) {
            ++sweep.wrong_rows;
            return;
        }
        if (row.bytes <= 0 || !read_block(words, first, row)) return;
        sweep.rows.push_back(row);
    }

    /// Out of place and in place; false where neither was measured.
    bool read_block(const Words& words, std::size_t first, NcclRow& row) const {
        const std::size_t second = first + columns->block;
        if (columns->blocks == 2 && words[second] != "N/A") {
            row.in_place_s = positive(words[second], "time", 1e12) * 1e-6;
            row.in_place_bandwidth = positive(words[second + 2], "busbw", 1e9) * 1e9;
        }
        if (words[first] != "N/A") {
            row.time_s = positive(words[first], "time", 1e12) * 1e-6;
            row.bus_bandwidth = positive(words[first + 2], "busbw", 1e9) * 1e9;
        } else if (row.in_place_s) {
            row.time_s = *row.in_place_s;
            row.bus_bandwidth = *row.in_place_bandwidth;
        }
        return row.time_s > 0;
    }

    [[nodiscard]] bool wrong(const Words& words, std::size_t first) const {
        for (std::size_t b = 0; b < columns->blocks && columns->block > 3; ++b) {
            const auto count = number(words[first + b * columns->block + 3]);
            // Older versions print the largest error there, which is small where all is well.
            if (count && *count >= 1) return true;
        }
        return false;
    }

    [[nodiscard]] double positive(std::string_view word, const char* key, double most) const {
        const auto value = number(word);
        if (!value || *value < 0 || *value > most)
            throw InputError({file, line, 0}, key,
                             fmt::format("\"{}\": expected a number from 0 to {:g}", word, most));
        return *value;
    }

    /// The table is over.
    void finish() {
        if (!sweep.rows.empty() || sweep.wrong_rows > 0) {
            if (ranks < 1)
                throw InputError({file, sweep.line, 0}, "Rank",
                                 "the list of ranks (\"# Using devices\") is missing above this table");
            sweep.ranks = ranks;
            sweep.nodes = static_cast<int>(hosts.size());
            sweep.gpus_per_process = std::min(per_process, ranks);
            sweep.gpu = gpu;
            sweep.version = version;
            sweep.kind = named ? named : kind_by_figures();
            sweeps.push_back(std::move(sweep));
        }
        sweep = {};
        columns.reset();
        rooted = reduces = false;
    }

    /// From operation, root, and bus bandwidth over algorithm bandwidth (nccl-tests, doc/PERFORMANCE.md). An
    /// all-gather and an all-to-all look alike, and so do a gather and a scatter.
    [[nodiscard]] std::optional<CollectiveKind> kind_by_figures() const {
        if (sweep.rows.empty()) return std::nullopt;
        const NcclRow& last = sweep.rows.back();
        const double factor = last.bus_bandwidth / (last.bytes / last.time_s);
        const double part = (ranks - 1.0) / ranks;
        const auto near = [factor](double expected) { return std::abs(factor / expected - 1) < 0.02; };
        if (reduces && rooted) return CollectiveKind::reduce;
        if (reduces && near(2 * part)) return CollectiveKind::all_reduce;
        if (reduces && near(part)) return CollectiveKind::reduce_scatter;
        if (!reduces && near(1) && !near(part))
            return rooted ? CollectiveKind::broadcast : CollectiveKind::send_recv;
        return std::nullopt;
    }

    const std::string& file;
    std::size_t line = 1;
    std::vector<NcclSweep> sweeps;
    NcclSweep sweep;
    std::optional<Columns> columns;
    std::optional<CollectiveKind> named;
    int per_process = 1;
    int ranks = 0;
    bool rooted = false;
    bool reduces = false;
    std::set<std::string, std::less<>> hosts;
    std::string gpu;
    std::string version;
};

}  // namespace

double NcclSweep::average() const {
    double sum = 0;
    int count = 0;
    for (const NcclRow& row : rows) {
        sum += row.bus_bandwidth + row.in_place_bandwidth.value_or(0);
        count += row.in_place_bandwidth ? 2 : 1;
    }
    return count == 0 ? 0 : sum / count;
}

bool is_nccl_tests(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (header(words_of(without_label(text.substr(at, end - at))))) return true;
        at = end + 1;
    }
    return false;
}

std::vector<NcclSweep> read_nccl_tests(std::string_view text, const std::string& file) {
    return Reader(file).run(text);
}

std::vector<CollectiveSample> samples_of(const std::vector<NcclSweep>& sweeps, const std::string& file,
                                         std::optional<sim::CollectiveKind> kind,
                                         const std::string& network) {
    std::vector<CollectiveSample> samples;
    for (const NcclSweep& sweep : sweeps) {
        const auto what = sweep.kind ? sweep.kind : kind;
        if (!what)
            throw InputError({file, sweep.line, 0}, "collective",
                             "the text does not say of which collective these rows are; name it "
                             "(--collective all-gather)");
        if (sweep.ranks % sweep.nodes != 0)
            throw InputError({file, sweep.line, 0}, "Rank",
                             fmt::format("{} ranks do not lie evenly on {} hosts", sweep.ranks, sweep.nodes));
        for (const NcclRow& row : sweep.rows) {
            CollectiveSample& sample = samples.emplace_back();
            sample.gpu = sweep.gpu;
            sample.gpus = sweep.ranks;
            sample.nodes = sweep.nodes;
            sample.network = sweep.nodes == 1 ? "nvlink" : network;
            sample.kind = *what;
            sample.bytes = row.bytes;
            sample.time_s = row.time_s;
            sample.software = fmt::format("nccl-tests, -g {}", sweep.gpus_per_process);
            sample.source = file;
        }
    }
    return samples;
}

}  // namespace orrery::profiler
