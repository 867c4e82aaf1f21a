// cli/compare.hpp
//
// Experiments side by side: what `orrery compare` and the Python module's compare() compute.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/experiment_options.hpp"
#include "report/html/pages.hpp"
#include "report/result.hpp"
#include "study/variants.hpp"

namespace orrery::cli {

struct Compared {
    std::vector<report::ComparedRun> runs;
    std::vector<report::Result> results;
    std::vector<std::string> too_large;
    std::vector<report::NamedText> refused;  ///< what could not be simulated, and why
};

/// Simulates them in order; with `options.out` the runs have their Gantt charts. Throws what simulate does.
Compared simulate_all(std::vector<study::Experiment> experiments, const ExperimentOptions& options);

/// The same of the experiments of one file. Some may be impossible: they are in `refused`. Throws
/// ExperimentError when all are.
Compared simulate_variants(std::vector<study::Variant> variants, const ExperimentOptions& options);

/// What `orrery compare FILE --json` prints of the experiments of one file.
nlohmann::ordered_json variants_json(const Compared& compared);

}  // namespace orrery::cli
