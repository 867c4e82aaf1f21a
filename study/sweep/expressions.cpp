#include "study/sweep/expressions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/nearest_name.hpp"

namespace orrery::study {
namespace {

constexpr std::string_view kUnknown = "no such column: ";
constexpr std::string_view kAmbiguous = "ambiguous column name: ";
constexpr int kMostSteps = 20'000'000;  ///< of SQLite's virtual machine: about a second

std::string parameters_from(const Columns& columns) {
    return from_clause(columns, "", [](std::size_t i) { return fmt::format("?{}", i + 1); });
}

std::string select(const Columns& columns, const std::vector<Expression>& expressions) {
    std::string list;
    for (const Expression& expression : expressions) {
        list += (list.empty() ? "(" : ", (") + expression.text + "\n)";  // a line end closes "-- comments"
    }
    return "SELECT " + list + " FROM " + parameters_from(columns);
}

/// What may be written in place of `name`: "parallel.tp" for a name with a group, else "tp".
std::vector<std::string> written_names(const Columns& columns, const std::string& name) {
    const bool grouped = name.find('.') != std::string::npos;
    std::vector<std::string> names;
    for (const std::string& column : columns) {
        const ColumnName split = split_column(column);
        names.push_back(split.group.empty() || !grouped ? split.name : split.group + "." + split.name);
    }
    return names;
}

}  // namespace

ColumnName split_column(std::string_view column) {
    const std::size_t dot = column.rfind('.');
    if (dot == std::string_view::npos) return {"", std::string(column)};
    const std::size_t before = column.substr(0, dot).rfind('.');
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    return {std::string(column.substr(begin, dot - begin)), std::string(column.substr(dot + 1))};
}

std::string expression_of(std::string_view column) {
    const ColumnName name = split_column(column);
    return sqlite::quoted(name.group.empty() ? "result" : name.group) + "." + sqlite::quoted(name.name);
}

std::vector<std::string> groups_of(const Columns& columns) {
    std::vector<std::string> groups;
    for (const std::string& column : columns) {
        std::string group = split_column(column).group;
        if (std::find(groups.begin(), groups.end(), group) == groups.end())
            groups.push_back(std::move(group));
    }
    return groups;
}

InputError refused(const Expression& expression, const std::string& message, const Columns& columns) {
    std::string words = message;
    if (message.starts_with(kUnknown)) {
        const std::string name = message.substr(kUnknown.size());
        words = unknown_name("column", name, written_names(columns, name));
    } else if (message.starts_with(kAmbiguous)) {
        words = fmt::format("several groups have a column '{}': write it with its group, as parallel.tp",
                            message.substr(kAmbiguous.size()));
    }
    return {expression.where, expression.key, fmt::format("'{}': {}", expression.text, words)};
}

Expressions::Expressions(const Columns& columns, const std::vector<Expression>& expressions)
    : expressions_(expressions) {
    database_.limit_steps(kMostSteps);
    for (const Expression& expression : expressions) {
        int results = 0;
        try {
            results = database_.prepare(select(columns, {expression})).columns();
        } catch (const sqlite::SqliteError& error) {
            throw refused(expression, error.what(), columns);
        }
        if (results != 1) throw refused(expression, "expected one expression", columns);
    }
    if (!expressions.empty()) statement_.push_back(database_.prepare(select(columns, expressions)));
}

Values Expressions::operator()(const Values& values) {
    if (statement_.empty()) return {};
    sqlite::Statement& statement = statement_.front();
    statement.reset();
    for (std::size_t i = 0; i < values.size(); ++i) statement.bind(static_cast<int>(i) + 1, values[i]);
    Values results;
    try {
        statement.step();
        for (int i = 0; i < statement.columns(); ++i) results.push_back(statement.value(i));
    } catch (const sqlite::SqliteError& error) {
        const Expression& first = expressions_.front();
        throw InputError(first.where, first.key, fmt::format("'{}': {}", first.text, error.what()));
    }
    statement.reset();
    return results;
}

bool Expressions::needs_only(const Columns& columns, const Expression& expression) {
    sqlite::Database database;
    try {
        database.prepare(select(columns, {expression}));
    } catch (const sqlite::SqliteError&) {
        return false;
    }
    return true;
}

bool is_true(const sqlite::Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole != 0;
    if (const auto* number = std::get_if<double>(&value)) return *number != 0;
    return false;
}

}  // namespace orrery::study
