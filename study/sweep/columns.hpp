// study/sweep/columns.hpp
//
// What a study's conditions, objectives and tables can name: the settings of a point's experiment and the
// figures of its result, as columns with dotted names ("parallel.tp", "memory.peak_bytes").
#pragma once

#include <string>
#include <vector>

#include "core/sqlite.hpp"
#include "core/yaml.hpp"
#include "report/result.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

using Columns = std::vector<std::string>;
using Values = std::vector<sqlite::Value>;

/// The settings that every experiment has, in the order of `setting_values`.
const Columns& setting_columns();
/// Their values; degrees that the file leaves open (dp, vpp) as they came out. Truth values are 0 and 1.
Values setting_values(const Experiment& experiment);

/// The figures of a result, in the order of `metric_values`. SI units, ratios as fractions.
const Columns& metric_columns();
Values metric_values(const report::Result& result);

/// What a YAML value is as a cell: an integer, a number, or its text (maps and lists in flow style).
sqlite::Value cell_of(const yaml::Node& node);

}  // namespace orrery::study
