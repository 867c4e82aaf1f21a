// report/write_report.hpp
//
// The files of `--out DIR`. Everything is made in memory before the first file is written, and each file
// appears whole or not at all (core/atomic_file.hpp). Throws InputError when a file cannot be written.
#pragma once

#include <filesystem>
#include <span>

#include "report/html/pages.hpp"
#include "report/result.hpp"
#include "report/validation.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

/// result.json, report.html and trace.json.gz of one run.
void write_report(const std::filesystem::path& dir, const Result& result, const sim::Program& program,
                  const sim::Timeline& timeline);

/// result.json ({"results": [...]}) and report.html of `orrery compare`.
void write_comparison(const std::filesystem::path& dir, std::span<const ComparedRun> runs);

/// result.json (docs/validation.schema.json) and report.html of `orrery validate --runs`.
void write_validation(const std::filesystem::path& dir, const Validation& validation);

}  // namespace orrery::report
