// cli/sweep.hpp
//
// A study run to its end: what `orrery sweep` and the Python module's sweep() compute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "report/study_summary.hpp"
#include "study/sweep/study_file.hpp"

namespace orrery::cli {

/// The options of `orrery sweep`, under their names; its --help says what each means.
struct SweepRequest {
    std::string
        study;  ///< its path or name, for the command in the report that shows a point again; may be empty
    std::vector<std::string> set;
    std::string out;  ///< empty: out/ and the study's name
    int jobs = 0;
    std::size_t best = 0;
    std::size_t charts = 5;
    bool resume = false;
    bool alone = false;   ///< by the threads of this process, also where it is one of an MPI job
    bool reports = true;  ///< points.csv, study.json and report.html beside study.sqlite
    /// Told how many more points are done, from any thread; what it throws ends the sweep, and what is done
    /// stays.
    std::function<void(std::uint64_t)> advance;
};

struct SweepOutcome {
    bool first = true;  ///< false: another process of the MPI job has the results, and the rest here is empty
    std::filesystem::path folder;
    report::StudySummary summary;
};

/// Runs the study that request.study and request.set made, on all cores, or with the other processes of the
/// MPI job. Throws InputError, ExperimentError, and study::ElsewhereError when another process has failed and
/// says so.
SweepOutcome run_sweep(const SweepRequest& request, const study::Study& study);

/// The results of a sweep's folder: study.sqlite.
std::filesystem::path results_file(const std::filesystem::path& folder);

}  // namespace orrery::cli
