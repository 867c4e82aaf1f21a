// profiler/samples.hpp
//
// Kernel samples: what was run and how long it took. Tables are CSV with a header line; columns are found by
// name, so any order and any further columns are accepted.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/kernel.hpp"

namespace orrery::profiler {

/// A table as read: rows of fields by column name, each row with its line for messages.
struct Table {
    std::string file;
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> lines;

    /// Index of the column, or throws InputError naming the file and the columns there are.
    [[nodiscard]] std::size_t column(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] const std::string& text(std::size_t row, std::string_view name) const;
    /// A number; throws InputError with line and column name when it is none, or not finite.
    [[nodiscard]] double number(std::size_t row, std::string_view name) const;
};

/// Reads CSV (core/csv.hpp, its errors).
Table read_csv(const std::string& path);
Table parse_csv(std::string_view text, const std::string& file);

/// One kernel's measured time.
struct Sample {
    Kernel kernel;
    double time_s = 0;
    std::string what;  ///< which operator of a family it is, where the table says
    std::string source;
    /// The time includes a host call of unknown, constant cost (a timing loop around a framework's operator).
    bool timed_by_call = false;
};

/// Equal kernels are joined into one sample of their geometric mean time, in order of first appearance.
std::vector<Sample> merge_repeats(const std::vector<Sample>& samples);

// Readers of the tables in calibrations/data, by the GPU's name there.
std::vector<Sample> gemm_samples(const Table& table, std::string_view gpu);
std::vector<Sample> grouped_gemm_samples(const Table& table, std::string_view gpu);
std::vector<Sample> attention_samples(const Table& table, std::string_view gpu,
                                      AttentionImplementation which);
std::vector<Sample> attention_speed_samples(const Table& table, std::string_view gpu);
std::vector<Sample> memory_samples(const Table& table, std::string_view gpu);

/// "bf16" and so on; throws InputError at the table's row otherwise.
Precision precision_of(const Table& table, std::size_t row, std::string_view column);

}  // namespace orrery::profiler
