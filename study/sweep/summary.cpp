#include "study/sweep/summary.hpp"

#include <algorithm>
#include <set>

#include "core/yaml_flow.hpp"

#include "study/sweep/sweep.hpp"

namespace orrery::study {
namespace {

bool takes_several_values(const Study& study, const std::string& key) {
    std::set<std::string> values;
    for (const Grid& grid : study.space.grids()) {
        bool set = false;
        for (const Axis& axis : grid.axes) {
            for (const Choice& choice : axis) {
                for (const Setting& s : choice) {
                    if (s.key != key) continue;
                    values.insert(yaml::flow_text(s.value));
                    set = true;
                }
            }
        }
        if (!set) values.insert("");  // the experiment's own
    }
    return values.size() > 1;
}

struct Shown {
    std::string title;
    std::string expression;
};

std::vector<Shown> shown_columns(const Study& study) {
    std::vector<Shown> shown;
    const auto add = [&](const std::string& title, const std::string& expression) {
        const bool there =
            std::any_of(shown.begin(), shown.end(), [&](const Shown& s) { return s.title == title; });
        if (!there) shown.push_back({title, expression});
    };
    for (const Objective& objective : study.objectives) add(objective.of.text, objective.of.text);
    for (const std::string& key : study.space.keys()) {
        if (takes_several_values(study, key)) add(key, expression_of(key));
    }
    for (const auto& [name, expression] : study.define) add(name, expression_of(name));
    for (const char* column : {"step_time_s", "mfu", "bubble_ratio", "memory.peak_bytes"}) {
        add(column, expression_of(column));
    }
    return shown;
}

}  // namespace

report::StudySummary summarize_study(const Study& study, Store& store, std::size_t most) {
    report::StudySummary summary;
    summary.name = study.name;
    summary.description = study.description;
    summary.points = study.space.size();
    for (const Store::Count& count : store.counts()) {
        summary.counts.push_back({std::string(to_string(count.status)), count.reason, count.points});
    }
    for (const Objective& objective : study.objectives) {
        summary.objectives.push_back({objective.of.text, objective.minimize});
    }
    summary.front = study.objectives.size() > 1;

    std::vector<std::uint64_t> best;
    for (const Ranked& ranked : rank(study, store)) best.push_back(ranked.point);
    store.write_front(
        summary.front ? std::span<const std::uint64_t>(best)
                      : std::span<const std::uint64_t>(best).first(std::min<std::size_t>(best.size(), 1)));
    summary.ranked = best.size();
    if (most > 0 && best.size() > most) best.resize(most);

    std::vector<Expression> expressions;
    for (const Shown& shown : shown_columns(study)) {
        summary.columns.push_back(shown.title);
        expressions.push_back({shown.expression, {}, "column"});
    }
    const std::vector<Store::Found> all = store.find(PointStatus::ok, expressions);
    for (const std::uint64_t point : best) {
        const auto found = std::lower_bound(
            all.begin(), all.end(), point, [](const Store::Found& f, std::uint64_t id) { return f.id < id; });
        summary.best_points.push_back(point);
        summary.best.emplace_back(found->values.begin(), found->values.end());
    }
    return summary;
}

}  // namespace orrery::study
