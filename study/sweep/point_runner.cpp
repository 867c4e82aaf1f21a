#include "study/sweep/point_runner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "study/read_experiment.hpp"
#include "study/simulate.hpp"
#include "study/sweep/bound.hpp"

namespace orrery::study {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Columns joined(Columns a, const Columns& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Values joined(Values a, const Values& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

void refuse(PointRow& row, PointStatus status, std::string reason) {
    row.status = status;
    row.reason = std::move(reason);
    row.figures.clear();
}

/// Excludes the row where one of the conditions does not hold.
bool exclude(PointRow& row, Expressions& compiled, const std::vector<Expression>& conditions,
             const Values& values) {
    const Values results = compiled(values);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (is_true(results[i])) continue;
        row.status = PointStatus::excluded;
        row.reason = conditions[i].text;
        return true;
    }
    return false;
}

/// Does it; what it throws of a legal point becomes the row's.
template <class Do>
void or_failed(PointRow& row, Do what) {
    try {
        what();
    } catch (const ExperimentError& error) {
        refuse(row, PointStatus::failed, error.what());
    } catch (const SimulationError& error) {
        refuse(row, PointStatus::failed, error.what());
    } catch (const MissingCapability& error) {
        refuse(row, PointStatus::failed, error.what());
    }
}

}  // namespace

double badness(const Objective& objective, const sqlite::Value& value) {
    double x = std::numeric_limits<double>::quiet_NaN();
    if (const auto* whole = std::get_if<std::int64_t>(&value)) x = static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&value)) x = *real;
    return objective.minimize ? x : -x;
}

PointRunner::PointRunner(const Study& study) : study_(study) {
    Columns columns = joined(study.settings, metric_columns());
    for (const auto& [name, expression] : study.define) {
        define_.emplace_back(columns, std::vector{expression});
        columns.push_back(name);
    }
    for (const Expression& condition : study.where) {
        (Expressions::needs_only(study.settings, condition) ? early_ : late_).push_back(condition);
    }
    early_compiled_.emplace(study.settings, early_);
    late_compiled_.emplace(columns, late_);
    objective_.emplace(columns, std::vector{study.objectives.front().of});
}

std::optional<Experiment> PointRunner::read(std::uint64_t point, PointRow& row) {
    row.id = point;
    std::optional<Experiment> experiment;
    try {
        experiment = read_experiment(document_of(study_, point), {});
    } catch (const InputError& error) {
        row.settings = varied_only(point);
        refuse(row, PointStatus::illegal,
               error.key.empty() ? error.message : error.key + ": " + error.message);
        return std::nullopt;
    }
    row.settings = settings_of(*experiment, point);
    if (exclude(row, *early_compiled_, early_, row.settings)) return std::nullopt;
    return experiment;
}

PointRow PointRunner::run(std::uint64_t point) {
    PointRow row;
    if (const std::optional<Experiment> experiment = read(point, row))
        or_failed(row, [&] { simulate_into(row, *experiment); });
    return row;
}

PointRunner::Examined PointRunner::examine(std::uint64_t point) {
    Examined examined;
    PointRow row;
    const std::optional<Experiment> experiment = read(point, row);
    if (experiment) {
        or_failed(row, [&] {
            const PlanBound bound = bound_of_plan(*experiment);
            examined.bound = badness_at(*experiment, bound.step_s);
            if (bound.static_bytes > experiment->cluster.node.gpu.memory_bytes)
                refuse(row, PointStatus::too_large,
                       "parameters, gradients and optimizer state alone need more memory than a GPU has");
        });
    }
    if (row.status != PointStatus::ok) examined.row = std::move(row);
    return examined;
}

PointRow PointRunner::pruned(std::uint64_t point) {
    PointRow row;
    if (read(point, row)) refuse(row, PointStatus::pruned, "its bound is worse than the best");
    return row;
}

double PointRunner::badness_of(const PointRow& row) {
    if (row.status != PointStatus::ok) return kInfinity;
    const double x =
        badness(study_.objectives.front(), (*objective_)(joined(row.settings, row.figures)).front());
    return std::isnan(x) ? kInfinity : x;
}

Values PointRunner::settings_of(const Experiment& experiment, std::uint64_t point) const {
    Values values = varied_only(point);
    const Values known = setting_values(experiment);
    std::copy(known.begin(), known.end(), values.begin());
    return values;
}

Values PointRunner::varied_only(std::uint64_t point) const {
    Values values(study_.settings.size());
    for (const Setting* setting : study_.space.point(point)) {
        const auto at = std::find(study_.settings.begin(), study_.settings.end(), setting->key);
        values[static_cast<std::size_t>(at - study_.settings.begin())] = cell_of(setting->value);
    }
    return values;
}

/// The objective's badness if the step took that long.
double PointRunner::badness_at(const Experiment& experiment, double step_s) const {
    const Objective& objective = study_.objectives.front();
    if (objective.of.text == "step_time_s") return step_s;
    const parallel::Training& training = experiment.plan.training;
    const double tokens =
        static_cast<double>(training.global_batch) * static_cast<double>(training.seq_length);
    const double gpus =
        objective.of.text == "tokens_per_s" ? 1 : static_cast<double>(experiment.plan.parallel.gpus());
    return -tokens / step_s / gpus;
}

void PointRunner::simulate_into(PointRow& row, const Experiment& experiment) {
    const report::Result result = summarize(experiment, simulate(experiment));
    row.figures = metric_values(result);
    for (Expressions& definition : define_) {
        row.figures.push_back(definition(joined(row.settings, row.figures)).front());
    }
    if (exclude(row, *late_compiled_, late_, joined(row.settings, row.figures))) return;
    if (result.memory.fits) return;
    row.status = PointStatus::too_large;
    row.reason = "needs more memory than a GPU has";
}

}  // namespace orrery::study
