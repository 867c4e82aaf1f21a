#include "python/columns.hpp"

#include <pybind11/numpy.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/sqlite.hpp"

namespace orrery::python {
namespace {

namespace py = pybind11;
using sqlite::Value;

template <class Type>
bool any_is(const std::vector<Value>& cells) {
    return std::any_of(cells.begin(), cells.end(),
                       [](const Value& cell) { return std::holds_alternative<Type>(cell); });
}

double number_in(const Value& cell) {
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*whole);
    if (const auto* number = std::get_if<double>(&cell)) return *number;
    return std::numeric_limits<double>::quiet_NaN();
}

py::object text_in(const Value& cell) {
    if (const auto* text = std::get_if<std::string>(&cell)) return py::str(*text);
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) return py::int_(*whole);
    if (const auto* number = std::get_if<double>(&cell)) return py::float_(*number);
    return py::none();
}

py::object array_of(const std::vector<Value>& cells, bool is_text) {
    const auto size = static_cast<py::ssize_t>(cells.size());
    if (is_text || any_is<std::string>(cells)) {
        py::list texts;
        for (const Value& cell : cells) texts.append(text_in(cell));
        return py::module_::import("numpy").attr("array")(texts, py::arg("dtype") = "object");
    }
    if (!any_is<double>(cells) && !any_is<std::monostate>(cells)) {
        py::array_t<std::int64_t> array(size);
        std::transform(cells.begin(), cells.end(), array.mutable_data(),
                       [](const Value& cell) { return std::get<std::int64_t>(cell); });
        return array;
    }
    py::array_t<double> array(size);
    std::transform(cells.begin(), cells.end(), array.mutable_data(), number_in);
    return array;
}

std::vector<Value> first_column(sqlite::Database& database, const std::string& select) {
    sqlite::Statement statement = database.prepare(select);
    std::vector<Value> cells;
    while (statement.step()) cells.push_back(statement.value(0));
    return cells;
}

std::vector<std::string> names_of(sqlite::Database& database, const std::string& table) {
    std::vector<std::string> names;
    for (const Value& cell : first_column(database, "SELECT name FROM pragma_table_info('" + table + "')"))
        names.push_back(std::get<std::string>(cell));
    return names;
}

}  // namespace

py::dict point_columns(const std::filesystem::path& results) {
    sqlite::Database database(results, sqlite::Database::Mode::read);
    py::dict columns;
    // One column at a time: a study may have a hundred columns and millions of points.
    for (const std::string& name : names_of(database, "points")) {
        const std::string select = "SELECT " + sqlite::quoted(name) + " FROM points ORDER BY id";
        columns[py::str(name)] =
            array_of(first_column(database, select), name == "status" || name == "reason");
    }
    for (const std::string& name : names_of(database, "metrics")) {
        if (name == "point") continue;
        const std::string select =
            "SELECT metrics." + sqlite::quoted(name) +
            " FROM points LEFT JOIN metrics ON metrics.point = points.id ORDER BY points.id";
        columns[py::str(name)] = array_of(first_column(database, select), false);
    }
    return columns;
}

py::dict query_columns(const study::QueryRows& rows) {
    py::dict columns;
    for (std::size_t i = 0; i < rows.columns.size(); ++i) {
        std::vector<Value> cells;
        for (const std::vector<Value>& row : rows.rows) cells.push_back(row[i]);
        columns[py::str(rows.columns[i])] = array_of(cells, false);
    }
    return columns;
}

}  // namespace orrery::python
