#include "profiler/collective_samples.hpp"

#include <charconv>

#include "core/csv.hpp"
#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::profiler {
namespace {

/// One row of a table, its cells checked.
class Reader {
  public:
    Reader(const csv::Table& table_in, const csv::Row& row_in) : table(table_in), row(row_in) {}

    [[nodiscard]] const std::string& text(std::string_view key) const { return table.cell(row, key); }

    /// From 0 to `most`; 0 where the cell is empty.
    [[nodiscard]] double number(std::string_view key, double most) const {
        const double value = table.number(row, key).value_or(0);
        if (value < 0 || value > most) bad(key, "expected a number from 0 to " + std::to_string(most));
        return value;
    }

    [[nodiscard]] int count(std::string_view key) const {
        const long long value = table.integer(row, key).value_or(0);
        if (value < 1 || value > 1'000'000) bad(key, "expected a whole number from 1 to 1000000");
        return static_cast<int>(value);
    }

    [[nodiscard]] sim::CollectiveKind kind() const {
        try {
            return sim::parse_collective_kind(text("collective"));
        } catch (const InputError& error) {
            throw InputError(table.where(row), "collective", error.message);
        }
    }

    [[noreturn]] void bad(std::string_view key, const std::string& message) const {
        throw InputError(table.where(row), std::string(key), message);
    }

  private:
    const csv::Table& table;
    const csv::Row& row;
};

CollectiveSample read_sample(const Reader& row) {
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
    sample.algorithm = row.text("algorithm");
    if (sample.gpus % sample.nodes != 0) row.bad("nodes", "expected a divisor of the GPUs");
    return sample;
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
    const csv::Table table = csv::read(path);
    for (const char* name :
         {"gpu", "gpus", "nodes", "network", "collective", "bytes", "time_us", "software", "source"})
        if (!table.column(name)) throw InputError({table.file, 1, 0}, name, "the table lacks this column");

    std::vector<CollectiveSample> samples;
    for (const csv::Row& row : table.rows) {
        CollectiveSample sample = read_sample(Reader(table, row));
        if (sample.bytes > 0 && sample.time_s > 0) samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace orrery::profiler
