// study/sweep/study_file.hpp
//
// A study's file: an experiment (all its keys, `base:` included) with, beside them,
//
//     vary:      which points to try (study/sweep/grid.hpp)
//     where:     conditions that a point must meet, SQL expressions (study/sweep/expressions.hpp)
//     define:    further columns: {tokens_per_dollar: tokens_per_s * 3600 / (cluster.gpus * 2.5)}
//     objective: {minimize: step_time_s}, or a list of such, for a Pareto front
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/yaml.hpp"
#include "study/sweep/expressions.hpp"
#include "study/sweep/grid.hpp"

namespace orrery::study {

struct Objective {
    bool minimize = true;
    Expression of;
};

struct Study {
    std::string name;
    std::string description;
    yaml::Node experiment;  ///< what every point starts from, complete
    Space space;
    std::vector<Expression> where;
    std::vector<std::pair<std::string, Expression>> define;  ///< each may use those before it
    std::vector<Objective> objectives;                       ///< at least one; maximize tokens_per_s_per_gpu

    /// The whole study in one canonical text: equal exactly when every point and column is.
    std::string text;

    /// Columns of a point that its experiment gives: setting_columns(), then the varied keys not among them.
    Columns settings;
    /// Columns of its result: metric_columns(), then the names of `define`.
    Columns figures;
};

/// Reads and checks the study of that path, or of that name in configs/studies, with the overrides laid over
/// its experiment. Throws InputError: what a study or an experiment cannot hold, unknown keys or wrong types
/// among the values to try, expressions that name no column. That a point's degrees do not fit together is no
/// mistake of the file.
Study load_study(const std::string& name_or_path, std::span<const std::string> overrides = {});

/// The same from YAML text; `file` names it in messages.
Study parse_study(std::string_view yaml_text, const std::string& file,
                  std::span<const std::string> overrides = {});

/// The document of one point.
yaml::Node document_of(const Study& study, std::uint64_t point);

}  // namespace orrery::study
