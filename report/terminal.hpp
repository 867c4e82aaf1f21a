// report/terminal.hpp
//
// What the commands print to standard output: plain text, UTF-8, no colour, at most `width` columns.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "report/result.hpp"
#include "report/table.hpp"
#include "report/validation.hpp"

namespace orrery::report {

/// `orrery run`: headline numbers with their words, where the time goes, memory, stages, notes.
std::string run_summary(const Result& result, std::size_t width = kPageWidth);

/// `orrery compare`: one column per result, the best of each line marked with "*" (among results that fit
/// into memory); when the columns exceed the width the table goes on in further blocks.
std::string comparison_table(std::span<const Result> results, std::size_t width = kPageWidth);

/// `orrery compare` of a file that varies: one row per result, the fastest first, the Pareto front of step
/// time and peak memory marked with "*"; then what could not be simulated (its name and the reason).
std::string variants_table(std::span<const Result> results, std::span<const NamedText> refused,
                           std::size_t width = kPageWidth);

/// `orrery validate --runs`: every row, then every source and all together, then what was skipped and why.
std::string validation_table(const Validation& validation, std::size_t width = kPageWidth);

}  // namespace orrery::report
