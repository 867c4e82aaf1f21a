#include "study/sweep/query.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "study/sweep/expressions.hpp"
#include "study/sweep/store.hpp"

namespace orrery::study {
namespace {

Columns columns_of(sqlite::Database& database, const std::string& table, std::size_t skip) {
    sqlite::Statement select = database.prepare("SELECT name FROM pragma_table_info(?)");
    select.bind(1, table);
    Columns columns;
    while (select.step()) {
        if (skip > 0) {
            --skip;
        } else {
            columns.push_back(std::get<std::string>(select.value(0)));
        }
    }
    return columns;
}

/// The settings that take more than one value among the points.
std::string default_select(sqlite::Database& database, const Columns& settings) {
    std::string list = "\"point\".id";
    for (const std::string& column : settings) {
        sqlite::Statement count =
            database.prepare(fmt::format("SELECT count(DISTINCT {}) FROM points", sqlite::quoted(column)));
        count.step();
        if (std::get<std::int64_t>(count.value(0)) < 2) continue;
        const ColumnName name = split_column(column);
        const std::string group = name.group.empty() ? "result" : name.group;
        list += fmt::format(", {}.{} AS {}", sqlite::quoted(group), sqlite::quoted(name.name),
                            sqlite::quoted(column));
    }
    return list + ", step_time_s, mfu, bubble_ratio, \"memory\".peak_bytes AS \"memory.peak_bytes\"";
}

sqlite::Database open_results(const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) throw InputError({file.string()}, "", "there is no such file");
    sqlite::Database database(file, sqlite::Database::Mode::read);
    if (columns_of(database, "points", 0).empty() || columns_of(database, "metrics", 0).empty()) {
        throw InputError({file.string()}, "", "holds no results of orrery sweep");
    }
    return database;
}

}  // namespace

QueryRows query(const std::filesystem::path& file, const std::string& select, const std::string& rest) {
    Columns all;
    try {
        sqlite::Database database = open_results(file);
        const Columns settings = columns_of(database, "points", 3);
        const Columns figures = columns_of(database, "metrics", 1);
        all = settings;
        all.insert(all.end(), figures.begin(), figures.end());
        const std::string list = select.empty() ? default_select(database, settings) : select;
        sqlite::Statement statement = database.prepare(fmt::format(
            "SELECT {} FROM {} {}", list, store_from_clause(settings, figures, select.empty()), rest));
        if (!statement.read_only()) throw sqlite::SqliteError("a query changes nothing");
        QueryRows result;
        for (int i = 0; i < statement.columns(); ++i) result.columns.push_back(statement.column_name(i));
        while (statement.step()) {
            std::vector<sqlite::Value> row;
            for (int i = 0; i < statement.columns(); ++i) row.push_back(statement.value(i));
            result.rows.push_back(std::move(row));
        }
        return result;
    } catch (const sqlite::SqliteError& error) {
        Location where;
        where.file = file.string();
        const Expression asked{select.empty() ? rest : select + " " + rest, where, "query"};
        throw refused(asked, error.what(), all);
    }
}

}  // namespace orrery::study
