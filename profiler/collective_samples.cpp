#include "profiler/collective_samples.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::profiler {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;

/// Splits one line of a comma-separated table; quotes as in RFC 4180, but no line breaks inside them.
std::vector<std::string> split(std::string_view line, const Location& where) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
            cells.back() += line[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            cells.emplace_back();
        } else if (c != '\r') {
            cells.back() += c;
        }
    }
    if (quoted) throw InputError(where, "", "a quote is not closed on its line");
    return cells;
}

class Row {
  public:
    Row(const std::map<std::string, std::size_t>& columns_in, std::vector<std::string> cells_in,
        Location where_in)
        : columns(columns_in), cells(std::move(cells_in)), where(std::move(where_in)) {
        if (cells.size() != columns.size())
            throw InputError(where, "",
                             "expected " + std::to_string(columns.size()) + " cells, found " +
                                 std::to_string(cells.size()));
    }

    [[nodiscard]] const std::string& text(const std::string& key) const { return cells[columns.at(key)]; }

    [[nodiscard]] double number(const std::string& key, double most) const {
        const std::string& cell = text(key);
        double value = 0;
        const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
        if (error != std::errc() || end != cell.data() + cell.size() || !(value >= 0) || value > most)
            throw InputError(where, key, "expected a number from 0 to " + std::to_string(most));
        return value;
    }

    [[nodiscard]] int count(const std::string& key) const {
        const double value = number(key, 1e6);
        if (value < 1 || value != std::floor(value))
            throw InputError(where, key, "expected a whole number >= 1");
        return static_cast<int>(value);
    }

    [[nodiscard]] sim::CollectiveKind kind() const {
        try {
            return sim::parse_collective_kind(text("collective"));
        } catch (const InputError& error) {
            throw InputError(where, "collective", error.message);
        }
    }

  private:
    const std::map<std::string, std::size_t>& columns;
    std::vector<std::string> cells;
    Location where;
};

std::map<std::string, std::size_t> read_header(std::string_view line, const Location& where) {
    std::map<std::string, std::size_t> columns;
    for (const std::string& name : split(line, where)) columns.emplace(name, columns.size());
    for (const char* name :
         {"gpu", "gpus", "nodes", "network", "collective", "bytes", "time_us", "software", "source"})
        if (!columns.contains(name)) throw InputError(where, name, "the table lacks this column");
    return columns;
}

}  // namespace

int CollectiveSample::gpus_per_process() const {
    const auto at = software.find("-g ");
    if (at == std::string::npos) return 1;
    int value = 1;
    std::from_chars(software.data() + at + 3, software.data() + software.size(), value);
    return value >= 1 && value <= gpus ? value : 1;
}

std::vector<CollectiveSample> read_collective_samples(const std::filesystem::path& path) {
    const std::string bytes = read_file(path, kMostBytes);
    std::vector<CollectiveSample> samples;
    std::map<std::string, std::size_t> columns;
    Location where{path.string(), 0, 0};
    for (std::string_view rest = bytes; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        ++where.line;
        if (line.empty() || line == "\r") continue;
        if (columns.empty()) {
            columns = read_header(line, where);
            continue;
        }
        const Row row(columns, split(line, where), where);
        CollectiveSample sample;
        sample.gpu = row.text("gpu");
        sample.gpus = row.count("gpus");
        sample.nodes = row.count("nodes");
        sample.network = row.text("network");
        sample.kind = row.kind();
        sample.bytes = row.number("bytes", 1e15);
        sample.time_s = row.number("time_us", 1e12) * 1e-6;
        sample.software = row.text("software");
        sample.source = row.text("source");
        if (columns.contains("algorithm")) sample.algorithm = row.text("algorithm");
        if (sample.nodes > sample.gpus || sample.gpus % sample.nodes != 0)
            throw InputError(where, "nodes", "expected a divisor of the GPUs");
        if (sample.bytes > 0 && sample.time_s > 0) samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace orrery::profiler
