// core/schema.hpp
//
// Reading YAML by table. One table per struct lists its keys: type, range or names, whether it must be there,
// one line of description, unit. The same table reads a map into the struct, finds every mistake in it, and
// prints itself as JSON Schema (draft 2020-12).
//
//     struct Training {
//         std::int64_t global_batch = 1;
//         double dropout = 0.1;
//         Precision precision = Precision::bf16;
//         std::optional<int> layers;      // stays empty when the key is absent
//     };
//
//     const schema::Table<Training>& training_table() {
//         using Field = schema::Field<Training>;
//         static const schema::Table<Training> table{
//             "training",
//             "How the model is trained.",
//             {Field::integer("global_batch", &Training::global_batch)
//                  .at_least(1).required().describe("Sequences per optimizer step."),
//              Field::number("dropout", &Training::dropout).at_least(0).below(1).describe("..."),
//              Field::choice("precision", &Training::precision, {{"bf16", Precision::bf16}, ...}),
//              Field::integer("layers", &Training::layers).at_least(1)}};
//         return table;
//     }
//
//     const yaml::Node file = yaml::read("training.yaml");
//     const Training training = schema::read(training_table(), file);
//
// A member may be reached by a pointer to member or by a lambda `[](S& s) -> auto& { return s.a.b; }`.
// Defaults are those of a default-constructed struct. Mistakes throw one InputError: the first in the file,
// its message followed by the others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/yaml.hpp"

namespace orrery::schema {

/// Gathers mistakes, to report all of a file at once.
class Problems {
  public:
    void add(InputError problem);
    [[nodiscard]] bool empty() const { return found.empty(); }
    /// Throws the first (by file order of discovery), with the others listed in its message; returns if none.
    void throw_if_any() const;

  private:
    std::vector<InputError> found;
};

/// Where the reader stands: the dotted path of the present map, and the mistakes so far.
struct Scope {
    std::string path;
    Problems* problems = nullptr;

    [[nodiscard]] Scope inside(std::string_view key) const;
    [[nodiscard]] std::string path_of(std::string_view key) const;
    /// Reports a mistake in `node`, which stands under `key` of this scope ("" for the scope's own node).
    void report(const yaml::Node& node, std::string_view key, const std::string& message) const;
};

enum class ValueType : std::uint8_t { integer, number, boolean, text, choice, other };

using Default = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// JSON Schema of a value, shared by the fields that hold it.
using Shape = std::shared_ptr<const nlohmann::ordered_json>;

/// What is known of a field apart from the struct it fills.
struct FieldInfo {
    std::string key;
    ValueType type = ValueType::other;
    bool required = false;
    std::optional<double> least;
    std::optional<double> most;
    bool above_least = false;  ///< the range is open at `least`
    bool below_most = false;
    std::vector<std::string> names;  ///< of a choice
    std::string description;
    std::string unit;
    std::string otherwise;  ///< what an absent key means, in words, where a default value cannot say it
    Default default_value;
    Shape shape;  ///< of type `other`

    /// "an integer >= 1", "one of none, full": for messages.
    [[nodiscard]] std::string expected() const;
};

// Values of scalars. A mistake is reported to the scope and gives none.
std::optional<std::int64_t> read_integer(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
std::optional<double> read_number(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
std::optional<bool> read_boolean(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
std::optional<std::string> read_text(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
/// The index of the name in `field.names`.
std::optional<std::size_t> read_choice(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
/// True for a list (a map); otherwise reports it.
bool check_list(const yaml::Node& node, const FieldInfo& field, const Scope& scope);
bool check_map(const yaml::Node& node, const FieldInfo& field, const Scope& scope);

Shape list_shape(const FieldInfo& element);
Shape map_shape(const FieldInfo& element);
Shape table_shape(const std::string& title, const std::string& description,
                  const std::vector<FieldInfo>& fields, const std::string& shorthand);
/// A shape given as JSON text, for `Field::custom`.
Shape shape_from_json(std::string_view json);

template <class T>
struct RemoveOptional {
    using type = T;
    static constexpr bool optional = false;
};
template <class T>
struct RemoveOptional<std::optional<T>> {
    using type = T;
    static constexpr bool optional = true;
};

template <class S>
struct Table;

/// One key of a table of struct S.
template <class S>
struct Field {
    using Assign = std::function<void(S&, const yaml::Node&, const FieldInfo&, const Scope&)>;

    FieldInfo info;
    Assign assign;

    template <class Access>
    using MemberOf = std::remove_cvref_t<std::invoke_result_t<Access, S&>>;
    template <class Access>
    using ValueOf = typename RemoveOptional<MemberOf<Access>>::type;

    template <class Access>
    static Field integer(std::string key, Access access) {
        using T = ValueOf<Access>;
        static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>);
        constexpr double exact =
            1e15;  // doubles hold these integers, and products of two do not overflow 2^127
        Field field = make(std::move(key), ValueType::integer, access, [access](S& s, auto&&... rest) {
            if (const auto value = read_integer(rest...)) std::invoke(access, s) = static_cast<T>(*value);
        });
        field.info.least = std::max(static_cast<double>(std::numeric_limits<T>::lowest()), -exact);
        field.info.most = std::min(static_cast<double>(std::numeric_limits<T>::max()), exact);
        return field;
    }

    template <class Access>
    static Field number(std::string key, Access access) {
        return make(std::move(key), ValueType::number, access, [access](S& s, auto&&... rest) {
            if (const auto value = read_number(rest...)) std::invoke(access, s) = *value;
        });
    }

    template <class Access>
    static Field boolean(std::string key, Access access) {
        return make(std::move(key), ValueType::boolean, access, [access](S& s, auto&&... rest) {
            if (const auto value = read_boolean(rest...)) std::invoke(access, s) = *value;
        });
    }

    template <class Access>
    static Field text(std::string key, Access access) {
        return make(std::move(key), ValueType::text, access, [access](S& s, auto&&... rest) {
            if (auto value = read_text(rest...)) std::invoke(access, s) = std::move(*value);
        });
    }

    /// One of some names, each standing for a value (of an enumeration, or the text itself).
    template <class Access>
    static Field choice(std::string key, Access access,
                        std::vector<std::pair<std::string, ValueOf<Access>>> choices) {
        Field field = make(
            std::move(key), ValueType::choice, [](S&) -> auto& { return ignored(); },
            [access, choices](S& s, auto&&... rest) {
                const auto index = read_choice(rest...);
                if (index) std::invoke(access, s) = choices[*index].second;
            });
        S blank{};
        for (const auto& [name, value] : choices) {
            field.info.names.push_back(name);
            if constexpr (!RemoveOptional<MemberOf<Access>>::optional) {
                const bool is_default = std::invoke(access, blank) == value;
                if (is_default && field.info.default_value.index() == 0) field.info.default_value = name;
            }
        }
        return field;
    }

    /// A map read by its own table.
    template <class Access>
    static Field table(std::string key, Access access, const Table<ValueOf<Access>>& inner);
    /// A list of maps, of numbers, of integers, of texts.
    template <class Access>
    static Field list(std::string key, Access access,
                      const Table<typename MemberOf<Access>::value_type>& inner);
    template <class Access>
    static Field list(std::string key, Access access);
    /// A map from free names to maps, or to numbers or texts.
    template <class Access>
    static Field map(std::string key, Access access,
                     const Table<typename MemberOf<Access>::mapped_type>& inner);
    template <class Access>
    static Field map(std::string key, Access access);

    /// Anything else: the function reads the node and reports mistakes to the scope of the enclosing map.
    static Field custom(std::string key, Shape shape, Assign assign) {
        Field field;
        field.info.key = std::move(key);
        field.info.shape = std::move(shape);
        field.assign = std::move(assign);
        return field;
    }

    Field& required() { return info.required = true, info.default_value = {}, *this; }
    Field& describe(std::string words) { return info.description = std::move(words), *this; }
    Field& unit(std::string name) { return info.unit = std::move(name), *this; }
    Field& otherwise(std::string words) {
        return info.otherwise = std::move(words), info.default_value = {}, *this;
    }
    Field& at_least(double value) { return info.least = value, info.above_least = false, *this; }
    Field& above(double value) { return info.least = value, info.above_least = true, *this; }
    Field& at_most(double value) { return info.most = value, info.below_most = false, *this; }
    Field& below(double value) { return info.most = value, info.below_most = true, *this; }

  private:
    static std::optional<std::monostate>& ignored() {
        static std::optional<std::monostate> nothing;
        return nothing;
    }

    template <class Access>
    static Field make(std::string key, ValueType type, Access access, Assign assign) {
        Field field;
        field.info.key = std::move(key);
        field.info.type = type;
        field.assign = std::move(assign);
        using Member = MemberOf<Access>;
        S blank{};
        if constexpr (std::is_same_v<Member, bool>) {
            field.info.default_value = std::invoke(access, blank);
        } else if constexpr (std::is_integral_v<Member>) {
            field.info.default_value = static_cast<std::int64_t>(std::invoke(access, blank));
        } else if constexpr (std::is_floating_point_v<Member>) {
            field.info.default_value = static_cast<double>(std::invoke(access, blank));
        } else if constexpr (std::is_same_v<Member, std::string>) {
            if (!std::invoke(access, blank).empty()) field.info.default_value = std::invoke(access, blank);
        }
        return field;
    }
};

/// The keys of a map that fills a struct S.
template <class S>
struct Table {
    std::string title;
    std::string description;
    std::vector<Field<S>> fields;
    /// The key that a lone scalar stands for: with "name", `schedule: 1f1b` reads as `schedule: {name:
    /// 1f1b}`.
    std::string shorthand = {};

    [[nodiscard]] const Field<S>* find(std::string_view key) const {
        for (const Field<S>& field : fields) {
            if (field.info.key == key) return &field;
        }
        return nullptr;
    }

    [[nodiscard]] std::vector<FieldInfo> infos() const {
        std::vector<FieldInfo> all;
        for (const Field<S>& field : fields) all.push_back(field.info);
        return all;
    }

    /// This table as JSON Schema.
    [[nodiscard]] Shape shape() const { return table_shape(title, description, infos(), shorthand); }
};

/// Reports the keys of the map that are not in the table, and required ones that are absent. False if the
/// node is no map at all (reported too).
bool check_keys(const yaml::Node& node, const std::vector<FieldInfo>& fields, const Scope& scope);

/// Reads a map over what `result` holds; mistakes go to the scope. A null node is an empty map.
template <class S>
void read_into(S& result, const Table<S>& table, const yaml::Node& node, const Scope& scope) {
    if (node.kind == yaml::Kind::scalar && !table.shorthand.empty()) {
        const Field<S>* field = table.find(table.shorthand);
        // The mistake is the scalar's own: name the enclosing key, not the one it is short for.
        field->assign(result, node, field->info, scope);
        return;
    }
    if (!check_keys(node, table.infos(), scope)) return;
    for (const yaml::Node& child : node.children) {
        if (const Field<S>* field = table.find(child.key)) field->assign(result, child, field->info, scope);
    }
}

/// Reads a whole file's map. Throws InputError.
template <class S>
S read(const Table<S>& table, const yaml::Node& node) {
    S result{};
    Problems problems;
    read_into(result, table, node, Scope{"", &problems});
    problems.throw_if_any();
    return result;
}

/// The table as a JSON Schema document, indented, ending in a newline.
std::string json_schema_text(const Shape& shape, std::string_view title);

// ---- the containers ----

template <class T>
struct Element {
    static_assert(std::is_arithmetic_v<T> || std::is_same_v<T, std::string>);

    static FieldInfo info() {
        FieldInfo element;
        element.type = std::is_same_v<T, std::string> ? ValueType::text
                       : std::is_same_v<T, bool>      ? ValueType::boolean
                       : std::is_integral_v<T>        ? ValueType::integer
                                                      : ValueType::number;
        return element;
    }

    static std::optional<T> read(const yaml::Node& node, const FieldInfo& field, const Scope& scope) {
        if constexpr (std::is_same_v<T, std::string>) {
            return read_text(node, field, scope);
        } else if constexpr (std::is_same_v<T, bool>) {
            return read_boolean(node, field, scope);
        } else if constexpr (std::is_integral_v<T>) {
            const auto value = read_integer(node, field, scope);
            return value ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
        } else {
            return read_number(node, field, scope);
        }
    }
};

/// The field's range, for one of its elements, which stands under `key`.
FieldInfo element_of(const FieldInfo& field, ValueType type, std::string key);

template <class S>
template <class Access>
Field<S> Field<S>::table(std::string key, Access access, const Table<ValueOf<Access>>& inner) {
    Field field =
        custom(std::move(key), inner.shape(),
               [access, &inner](S& s, const yaml::Node& node, const FieldInfo& self, const Scope& scope) {
                   if constexpr (RemoveOptional<MemberOf<Access>>::optional) {
                       std::invoke(access, s).emplace();
                       read_into(*std::invoke(access, s), inner, node, scope.inside(self.key));
                   } else {
                       read_into(std::invoke(access, s), inner, node, scope.inside(self.key));
                   }
               });
    return field;
}

template <class S>
template <class Access>
Field<S> Field<S>::list(std::string key, Access access,
                        const Table<typename MemberOf<Access>::value_type>& inner) {
    FieldInfo element;
    element.shape = inner.shape();
    return custom(std::move(key), list_shape(element),
                  [access, &inner](S& s, const yaml::Node& node, const FieldInfo& self, const Scope& scope) {
                      if (!check_list(node, self, scope)) return;
                      auto& values = std::invoke(access, s);
                      values.clear();
                      for (const yaml::Node& child : node.children) {
                          const std::string name = self.key + "[" + std::to_string(values.size()) + "]";
                          read_into(values.emplace_back(), inner, child, scope.inside(name));
                      }
                  });
}

template <class S>
template <class Access>
Field<S> Field<S>::list(std::string key, Access access) {
    using T = typename MemberOf<Access>::value_type;
    return custom(std::move(key), list_shape(Element<T>::info()),
                  [access](S& s, const yaml::Node& node, const FieldInfo& self, const Scope& scope) {
                      if (!check_list(node, self, scope)) return;
                      auto& values = std::invoke(access, s);
                      values.clear();
                      for (const yaml::Node& child : node.children) {
                          const std::string name = self.key + "[" + std::to_string(values.size()) + "]";
                          const FieldInfo element = element_of(self, Element<T>::info().type, name);
                          values.push_back(Element<T>::read(child, element, scope).value_or(T{}));
                      }
                  });
}

template <class S>
template <class Access>
Field<S> Field<S>::map(std::string key, Access access,
                       const Table<typename MemberOf<Access>::mapped_type>& inner) {
    FieldInfo element;
    element.shape = inner.shape();
    return custom(std::move(key), map_shape(element),
                  [access, &inner](S& s, const yaml::Node& node, const FieldInfo& self, const Scope& scope) {
                      if (!check_map(node, self, scope)) return;
                      for (const yaml::Node& child : node.children) {
                          read_into(std::invoke(access, s)[child.key], inner, child,
                                    scope.inside(self.key).inside(child.key));
                      }
                  });
}

template <class S>
template <class Access>
Field<S> Field<S>::map(std::string key, Access access) {
    using T = typename MemberOf<Access>::mapped_type;
    return custom(std::move(key), map_shape(Element<T>::info()),
                  [access](S& s, const yaml::Node& node, const FieldInfo& self, const Scope& scope) {
                      if (!check_map(node, self, scope)) return;
                      for (const yaml::Node& child : node.children) {
                          const FieldInfo element = element_of(self, Element<T>::info().type, child.key);
                          if (auto value = Element<T>::read(child, element, scope.inside(self.key))) {
                              std::invoke(access, s)[child.key] = std::move(*value);
                          }
                      }
                  });
}

}  // namespace orrery::schema
