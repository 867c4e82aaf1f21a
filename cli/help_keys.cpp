#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/help_topics.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "report/text_width.hpp"
#include "study/experiment.hpp"

namespace orrery::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kWidth = 80;

struct Key {
    std::string name;
    std::string type;
    std::string meaning;
};

std::string plain(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string type_of(const Json& schema) {
    if (schema.contains("enum")) {
        std::vector<std::string> values;
        for (const Json& value : schema.at("enum")) values.push_back(plain(value));
        return fmt::format("{}", fmt::join(values, " | "));
    }
    if (schema.contains("anyOf")) {
        std::vector<std::string> types;
        for (const Json& one : schema.at("anyOf")) {
            const std::string type = type_of(one);
            if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
        }
        return fmt::format("{}", fmt::join(types, " | "));
    }
    if (!schema.contains("type")) return "any";
    if (schema.at("type").is_array()) {
        std::vector<std::string> types;
        for (const Json& one : schema.at("type")) types.push_back(plain(one));
        return fmt::format("{}", fmt::join(types, " | "));
    }
    std::string type = plain(schema.at("type"));
    if (type == "object") return "map";
    if (type == "array") return schema.contains("items") ? "list of " + type_of(schema.at("items")) : "list";
    return type;
}

void collect(const Json& schema, const std::string& prefix, std::vector<Key>& keys) {
    for (const char* several : {"anyOf", "oneOf"})
        if (schema.contains(several))
            for (const Json& one : schema.at(several)) collect(one, prefix, keys);
    if (schema.contains("items")) collect(schema.at("items"), prefix + "[]", keys);
    if (!schema.contains("properties")) return;
    for (const auto& [name, below] : schema.at("properties").items()) {
        const std::string key = prefix.empty() ? name : prefix + "." + name;
        std::string meaning = below.value("description", std::string());
        if (below.contains("default")) meaning += fmt::format(" Default: {}.", plain(below.at("default")));
        keys.push_back({key, type_of(below), meaning});
        collect(below, key, keys);
    }
}

}  // namespace

std::string help_of_keys(const std::string& below) {
    std::vector<Key> keys;
    collect(Json::parse(study::experiment_json_schema()), "", keys);
    std::string text;
    std::vector<std::string> names;
    for (const Key& key : keys) {
        names.push_back(key.name);
        const bool inside = below.empty() || key.name == below || key.name.starts_with(below + ".") ||
                            key.name.starts_with(below + "[");
        if (!inside) continue;
        for (const std::string& line : report::wrap(key.name + ": " + key.type, kWidth - 2))
            text += "  " + line + "\n";
        for (const std::string& line : report::wrap(key.meaning, kWidth - 6)) text += "      " + line + "\n";
    }
    if (text.empty()) throw InputError({}, "", unknown_name("key", below, names));
    return text;
}

}  // namespace orrery::cli
