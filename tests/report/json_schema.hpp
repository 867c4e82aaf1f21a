// tests/report/json_schema.hpp
//
// Checks a JSON value against the part of JSON Schema that docs/*.schema.json use: type, properties,
// required, additionalProperties (false or a schema), items, minimum, maximum, exclusiveMinimum, enum, $ref
// to
// "#/$defs/NAME". A keyword outside this list is an error, so that a schema cannot ask for what is not
// checked.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace orrery::testing {

class JsonSchema {
  public:
    using Json = nlohmann::json;

    explicit JsonSchema(const std::string& path) {
        std::ifstream file(path);
        if (!file) throw std::runtime_error("cannot read " + path);
        root_ = Json::parse(file);
    }

    /// What is wrong with `value`, one line each ("/memory/fits: not a boolean"); empty if it is valid.
    [[nodiscard]] std::vector<std::string> errors(const Json& value) const {
        std::vector<std::string> found;
        check(value, root_, "", found);
        return found;
    }

  private:
    static bool has_type(const Json& value, const std::string& type) {
        if (type == "object") return value.is_object();
        if (type == "array") return value.is_array();
        if (type == "string") return value.is_string();
        if (type == "boolean") return value.is_boolean();
        if (type == "integer") return value.is_number_integer();
        if (type == "number") return value.is_number();
        throw std::runtime_error("schema: unknown type " + type);
    }

    void check(const Json& value, const Json& schema, const std::string& path,
               std::vector<std::string>& found) const {
        static const std::set<std::string> known{"$schema",  "$id",
                                                 "$defs",    "$ref",
                                                 "title",    "description",
                                                 "type",     "properties",
                                                 "required", "additionalProperties",
                                                 "items",    "minimum",
                                                 "maximum",  "exclusiveMinimum",
                                                 "enum"};
        for (const auto& [keyword, unused] : schema.items()) {
            if (known.count(keyword) == 0)
                throw std::runtime_error("schema: keyword not supported: " + keyword);
        }
        if (schema.contains("$ref")) {
            check(value, root_.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))), path,
                  found);
        }
        if (schema.contains("type") && !has_type(value, schema["type"])) {
            found.push_back(path + ": not of type " + schema["type"].get<std::string>() + ": " +
                            value.dump());
            return;
        }
        if (value.is_number() && schema.contains("minimum") && value < schema["minimum"]) {
            found.push_back(path + ": below the minimum: " + value.dump());
        }
        if (schema.contains("enum")) {
            const Json& allowed = schema["enum"];
            if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
                found.push_back(path + ": not one of the allowed values: " + value.dump());
            }
        }
        if (value.is_number() && schema.contains("maximum") && value > schema["maximum"]) {
            found.push_back(path + ": above the maximum: " + value.dump());
        }
        if (value.is_number() && schema.contains("exclusiveMinimum") && value <= schema["exclusiveMinimum"]) {
            found.push_back(path + ": not above the exclusive minimum: " + value.dump());
        }
        if (value.is_array() && schema.contains("items")) {
            for (std::size_t i = 0; i < value.size(); ++i) {
                check(value[i], schema["items"], path + "/" + std::to_string(i), found);
            }
        }
        if (value.is_object()) check_object(value, schema, path, found);
    }

    void check_object(const Json& value, const Json& schema, const std::string& path,
                      std::vector<std::string>& found) const {
        for (const Json& key : schema.value("required", Json::array())) {
            if (!value.contains(key)) found.push_back(path + ": lacks " + key.get<std::string>());
        }
        const Json properties = schema.value("properties", Json::object());
        for (const auto& [key, member] : value.items()) {
            if (properties.contains(key)) {
                check(member, properties[key], path + "/" + key, found);
            } else if (schema.contains("additionalProperties")) {
                const Json& others = schema["additionalProperties"];
                if (others.is_object()) {
                    check(member, others, path + "/" + key, found);
                } else if (others == false) {
                    found.push_back(path + ": unknown key " + key);
                }
            }
        }
    }

    Json root_;
};

}  // namespace orrery::testing
