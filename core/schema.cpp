#include "core/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/nearest_name.hpp"

namespace orrery::schema {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kProblemsReported = 20;
constexpr double kLargestListedBound = 1e9;  // type limits are not worth telling the user

std::string number_text(double value) {
    if (std::abs(value) < 1e15 && value == std::floor(value)) return fmt::format("{:.0f}", value);
    return fmt::format("{:g}", value);
}

/// " from 1 to 8", " >= 1", " above 0 and below 1", or nothing.
std::string range_text(const FieldInfo& field) {
    const bool low = field.least && std::abs(*field.least) < kLargestListedBound;
    const bool high = field.most && std::abs(*field.most) < kLargestListedBound;
    if (low && high && !field.above_least && !field.below_most) {
        return fmt::format(" from {} to {}", number_text(*field.least), number_text(*field.most));
    }
    std::string text;
    if (low) text += fmt::format(" {} {}", field.above_least ? ">" : ">=", number_text(*field.least));
    if (low && high) text += " and";
    if (high) text += fmt::format(" {} {}", field.below_most ? "<" : "<=", number_text(*field.most));
    return text;
}

/// What the user wrote, short.
std::string written(const yaml::Node& node) {
    if (node.kind != yaml::Kind::scalar) return std::string(yaml::describe(node.kind));
    constexpr std::size_t longest = 60;
    if (node.text.size() <= longest) return fmt::format("'{}'", node.text);
    std::size_t cut = longest;
    while (cut > 0 && (static_cast<unsigned char>(node.text[cut]) & 0xc0U) == 0x80) --cut;
    return fmt::format("'{}...'", node.text.substr(0, cut));
}

void report_expected(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    scope.report(node, field.key, fmt::format("expected {}, got {}", field.expected(), written(node)));
}

template <class T>
std::optional<T> parse_number(const yaml::Node& node) {
    if (node.kind != yaml::Kind::scalar || node.quoted) return std::nullopt;
    std::string_view text = node.text;
    if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool in_range(double value, const FieldInfo& field) {
    if (field.least && (field.above_least ? value <= *field.least : value < *field.least)) return false;
    return !(field.most && (field.below_most ? value >= *field.most : value > *field.most));
}

Json json_of(const Default& value) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
}

Json bound(double value) {
    if (value == std::floor(value) && std::abs(value) <= 1e15) return static_cast<std::int64_t>(value);
    return value;
}

std::string described(const FieldInfo& field) {
    std::string text = field.description;
    if (!field.unit.empty()) text += fmt::format(" [{}]", field.unit);
    if (!field.otherwise.empty()) text += fmt::format(" Absent: {}.", field.otherwise);
    return text;
}

Json json_of(const FieldInfo& field) {
    static const std::map<ValueType, std::string> types = {{ValueType::integer, "integer"},
                                                           {ValueType::number, "number"},
                                                           {ValueType::boolean, "boolean"},
                                                           {ValueType::text, "string"}};
    Json json = field.shape ? *field.shape : Json::object();
    if (const auto type = types.find(field.type); type != types.end()) json["type"] = type->second;
    if (field.type == ValueType::choice) json["enum"] = field.names;
    if (field.type == ValueType::integer || field.type == ValueType::number) {
        if (field.least) json[field.above_least ? "exclusiveMinimum" : "minimum"] = bound(*field.least);
        if (field.most) json[field.below_most ? "exclusiveMaximum" : "maximum"] = bound(*field.most);
    }
    if (const std::string text = described(field); !text.empty()) json["description"] = text;
    if (field.default_value.index() != 0) json["default"] = json_of(field.default_value);
    return json;
}

}  // namespace

void Problems::add(InputError problem) {
    found.push_back(std::move(problem));
}

void Problems::throw_if_any() const {
    if (found.empty()) return;
    const InputError& first = found.front();
    std::string message = first.message;
    for (std::size_t i = 1; i < std::min(found.size(), kProblemsReported); ++i) {
        message += fmt::format("\n  also {}", found[i].what());
    }
    if (found.size() > kProblemsReported) {
        message += fmt::format("\n  and {} more", found.size() - kProblemsReported);
    }
    throw InputError(first.where, first.key, message);
}

std::string Scope::path_of(std::string_view key) const {
    if (key.empty()) return path;
    return path.empty() ? std::string(key) : path + "." + std::string(key);
}

Scope Scope::inside(std::string_view key) const {
    return {path_of(key), problems};
}

void Scope::report(const yaml::Node& node, std::string_view key, const std::string& message) const {
    problems->add(InputError(node.where(), path_of(key), message));
}

std::string FieldInfo::expected() const {
    std::string text;
    switch (type) {
        case ValueType::integer:
            text = "an integer" + range_text(*this);
            break;
        case ValueType::number:
            text = "a number" + range_text(*this);
            break;
        case ValueType::boolean:
            return "true or false";
        case ValueType::text:
            return "a text";
        case ValueType::choice:
            return fmt::format("one of {}", fmt::join(names, ", "));
        case ValueType::other:
            return description.empty() ? "another kind of value" : description;
    }
    if (!unit.empty()) text += fmt::format(" ({})", unit);
    return text;
}

std::optional<std::int64_t> read_integer(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    const auto value = parse_number<std::int64_t>(node);
    if (value && in_range(static_cast<double>(*value), field)) return value;
    report_expected(node, field, scope);
    return std::nullopt;
}

std::optional<double> read_number(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    const auto value = parse_number<double>(node);
    if (value && std::isfinite(*value) && in_range(*value, field)) return value;
    report_expected(node, field, scope);
    return std::nullopt;
}

std::optional<bool> read_boolean(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    if (node.kind == yaml::Kind::scalar && !node.quoted) {
        if (node.text == "true" || node.text == "True") return true;
        if (node.text == "false" || node.text == "False") return false;
    }
    report_expected(node, field, scope);
    return std::nullopt;
}

std::optional<std::string> read_text(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    if (node.kind == yaml::Kind::scalar) return node.text;
    report_expected(node, field, scope);
    return std::nullopt;
}

std::optional<std::size_t> read_choice(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    // `recompute: ~` and `sharding: null` are YAML's nothing: take them for the name "none" where there is
    // one.
    const bool nothing = node.kind == yaml::Kind::null;
    if (node.kind != yaml::Kind::scalar && !nothing) {
        report_expected(node, field, scope);
        return std::nullopt;
    }
    const std::string text = nothing ? "none" : node.text;
    const auto found = std::find(field.names.begin(), field.names.end(), text);
    if (found != field.names.end()) return static_cast<std::size_t>(found - field.names.begin());
    if (nothing) {
        report_expected(node, field, scope);
    } else {
        scope.report(node, field.key,
                     unknown_name(field.key.empty() ? "name" : field.key, text, field.names));
    }
    return std::nullopt;
}

bool check_list(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    if (node.kind == yaml::Kind::sequence) return true;
    scope.report(node, field.key, fmt::format("expected a list, got {}", written(node)));
    return false;
}

bool check_map(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
    if (node.kind == yaml::Kind::map) return true;
    scope.report(node, field.key, fmt::format("expected a map, got {}", written(node)));
    return false;
}

bool check_keys(const yaml::Node& node, const std::vector<FieldInfo>& fields, const Scope& scope) {
    if (node.kind != yaml::Kind::map && node.kind != yaml::Kind::null) {
        scope.report(node, "", fmt::format("expected a map, got {}", written(node)));
        return false;
    }
    std::vector<std::string> keys;
    for (const FieldInfo& field : fields) keys.push_back(field.key);
    for (const yaml::Node& child : node.children) {
        if (std::find(keys.begin(), keys.end(), child.key) != keys.end()) continue;
        scope.problems->add(
            InputError(child.key_where(), scope.path_of(child.key), unknown_name("key", child.key, keys)));
    }
    for (const FieldInfo& field : fields) {
        if (!field.required || node.find(field.key) != nullptr) continue;
        scope.report(node, field.key, fmt::format("is missing; expected {}", field.expected()));
    }
    return true;
}

FieldInfo element_of(const FieldInfo& field, ValueType type, std::string key) {
    FieldInfo element;
    element.key = std::move(key);
    element.type = type;
    element.least = field.least;
    element.most = field.most;
    element.above_least = field.above_least;
    element.below_most = field.below_most;
    element.unit = field.unit;
    return element;
}

Shape list_shape(const FieldInfo& element) {
    return std::make_shared<Json>(Json{{"type", "array"}, {"items", json_of(element)}});
}

Shape map_shape(const FieldInfo& element) {
    return std::make_shared<Json>(Json{{"type", "object"}, {"additionalProperties", json_of(element)}});
}

Shape table_shape(const std::string& title, const std::string& description,
                  const std::vector<FieldInfo>& fields, const std::string& shorthand) {
    Json properties = Json::object();
    Json required = Json::array();
    Json alone;
    for (const FieldInfo& field : fields) {
        properties[field.key] = json_of(field);
        if (field.required) required.push_back(field.key);
        if (field.key == shorthand) alone = json_of(field);
    }
    Json map = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
    if (!required.empty()) map["required"] = required;
    Json json = shorthand.empty() ? map : Json{{"anyOf", Json::array({alone, map})}};
    json["title"] = title;
    if (!description.empty()) json["description"] = description;
    return std::make_shared<Json>(std::move(json));
}

Shape shape_from_json(std::string_view json) {
    return std::make_shared<Json>(Json::parse(json));
}

std::string json_schema_text(const Shape& shape, std::string_view title) {
    Json document = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
    for (const auto& [key, value] : shape->items()) {
        if (key != "title") document[key] = value;
    }
    return document.dump(2) + "\n";
}

}  // namespace orrery::schema
