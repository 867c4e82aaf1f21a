#include "study/sweep/study_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>

#include "core/data_path.hpp"
#include "core/yaml_flow.hpp"
#include "study/document.hpp"

namespace orrery::study {
namespace {

/// Takes the key out of the document.
std::optional<yaml::Node> take(yaml::Node& document, std::string_view key) {
    for (std::size_t i = 0; i < document.children.size(); ++i) {
        if (document.children[i].key != key) continue;
        yaml::Node node = std::move(document.children[i]);
        document.children.erase(document.children.begin() + static_cast<std::ptrdiff_t>(i));
        return node;
    }
    return std::nullopt;
}

Expression expression_of(const yaml::Node& node, const std::string& key) {
    if (node.kind != yaml::Kind::scalar || node.text.empty()) {
        throw InputError(node.where(), key,
                         fmt::format("expected an expression, as parallel.tp * parallel.pp <= 64; got {}",
                                     yaml::describe(node.kind)));
    }
    return {node.text, node.where(), key};
}

std::vector<Expression> conditions_of(const yaml::Node& node) {
    std::vector<Expression> conditions;
    if (node.kind == yaml::Kind::sequence) {
        for (const yaml::Node& child : node.children) conditions.push_back(expression_of(child, "where"));
    } else {
        conditions.push_back(expression_of(node, "where"));
    }
    return conditions;
}

bool is_name(const std::string& text) {
    const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
        return letter(c) || std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
}

std::vector<std::pair<std::string, Expression>> definitions_of(const yaml::Node& node) {
    if (node.kind != yaml::Kind::map) {
        throw InputError(node.where(), "define", "expected a map from names to expressions");
    }
    std::vector<std::pair<std::string, Expression>> definitions;
    for (const yaml::Node& child : node.children) {
        const std::string key = "define." + child.key;
        const Columns& taken = metric_columns();
        if (!is_name(child.key) || std::find(taken.begin(), taken.end(), child.key) != taken.end()) {
            throw InputError(child.key_where(), key,
                             "expected a new name of letters, digits and underscores");
        }
        definitions.emplace_back(child.key, expression_of(child, key));
    }
    return definitions;
}

Objective objective_of(const yaml::Node& node) {
    if (node.kind == yaml::Kind::map && node.children.size() == 1) {
        const yaml::Node& child = node.children.front();
        if (child.key == "minimize" || child.key == "maximize") {
            return {child.key == "minimize", expression_of(child, "objective." + child.key)};
        }
    }
    throw InputError(node.where(), "objective",
                     "expected {minimize: EXPRESSION} or {maximize: EXPRESSION}, or a list of such");
}

std::vector<Objective> objectives_of(const yaml::Node& node) {
    std::vector<Objective> objectives;
    if (node.kind == yaml::Kind::sequence) {
        for (const yaml::Node& child : node.children) objectives.push_back(objective_of(child));
    } else if (node.kind == yaml::Kind::map) {  // {minimize: a, maximize: b} is a list of two
        for (const yaml::Node& child : node.children) {
            yaml::Node one = node;
            one.children = {child};
            objectives.push_back(objective_of(one));
        }
    }
    if (objectives.empty()) objective_of(node);  // says what is expected
    return objectives;
}

std::string label(const std::optional<yaml::Node>& node, const char* key) {
    if (!node || node->kind == yaml::Kind::null) return "";
    if (node->kind != yaml::Kind::scalar) throw InputError(node->where(), key, "expected a text");
    return node->text;
}

/// Every value to try, on its own, must be one that an experiment can hold.
void check_values(const Study& study) {
    check_keys(study.experiment);
    for (const Grid& grid : study.space.grids()) {
        for (const Axis& axis : grid.axes) {
            for (const Choice& choice : axis) {
                yaml::Node document = study.experiment;
                for (const Setting& s : choice) lay_over(document, s.key, s.value, s.value.where());
                check_keys(document);
            }
        }
    }
}

/// Keys in the columns that they are part of: "schedule" (a text or a map) gives schedule.name.
void name_columns(Study& study) {
    study.settings = setting_columns();
    for (const std::string& key : study.space.keys()) {
        const bool known =
            std::find(study.settings.begin(), study.settings.end(), key) != study.settings.end();
        // A whole group ("cluster": maps) is a column of its own.
        if (!known) study.settings.push_back(key);
    }
    study.figures = metric_columns();
    for (const auto& [name, expression] : study.define) study.figures.push_back(name);
}

void check_expressions(const Study& study) {
    Columns all = study.settings;
    all.insert(all.end(), metric_columns().begin(), metric_columns().end());
    for (const auto& [name, expression] : study.define) {
        const Expressions checked(all, {expression});
        all.push_back(name);
    }
    const Expressions conditions(all, study.where);
    for (const Objective& objective : study.objectives) const Expressions checked(all, {objective.of});
}

Study study_of(yaml::Node document, std::span<const std::string> overrides) {
    document = follow_bases(std::move(document));
    Study study;
    const auto vary = take(document, "vary");
    const auto where = take(document, "where");
    const auto define = take(document, "define");
    const auto objective = take(document, "objective");
    study.name = label(take(document, "name"), "name");
    study.description = label(take(document, "description"), "description");
    for (const std::string& text : overrides) apply_override(document, text);
    study.experiment = std::move(document);
    if (vary) study.space = read_space(*vary);
    if (where) study.where = conditions_of(*where);
    if (define) study.define = definitions_of(*define);
    if (objective) study.objectives = objectives_of(*objective);
    if (study.objectives.empty()) {
        study.objectives.push_back({false, {"tokens_per_s_per_gpu", {}, "objective"}});
    }
    check_values(study);
    name_columns(study);
    check_expressions(study);
    study.text = "experiment: " + yaml::flow_text(study.experiment) + "\n";
    for (const auto& [key, node] :
         {std::pair("vary", &vary), {"where", &where}, {"define", &define}, {"objective", &objective}}) {
        if (*node) study.text += fmt::format("{}: {}\n", key, yaml::flow_text(**node));
    }
    return study;
}

}  // namespace

Study load_study(const std::string& name_or_path, std::span<const std::string> overrides) {
    const std::filesystem::path path = data_file("configs/studies", name_or_path, "study");
    Study study = study_of(yaml::read(path), overrides);
    if (study.name.empty()) study.name = path.stem().string();
    return study;
}

Study parse_study(std::string_view yaml_text, const std::string& file,
                  std::span<const std::string> overrides) {
    Study study = study_of(yaml::parse(yaml_text, file), overrides);
    if (study.name.empty()) study.name = "study";
    return study;
}

yaml::Node document_of(const Study& study, std::uint64_t point) {
    yaml::Node document = study.experiment;
    for (const Setting* s : study.space.point(point)) lay_over(document, s->key, s->value, s->value.where());
    return document;
}

}  // namespace orrery::study
