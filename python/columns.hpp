// python/columns.hpp
//
// Columns of a study's database as NumPy arrays.
#pragma once

#include <pybind11/pybind11.h>

#include <filesystem>

#include "study/sweep/query.hpp"

namespace orrery::python {

/// Every point of a sweep with all its columns, by number: {"id", "status", "reason", settings, figures}.
/// Integers are int64; other numbers, and integers some of which are missing, float64 with nan; texts objects
/// with None.
pybind11::dict point_columns(const std::filesystem::path& results);

/// The rows of a query, column by column, as above.
pybind11::dict query_columns(const study::QueryRows& rows);

}  // namespace orrery::python
