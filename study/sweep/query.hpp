// study/sweep/query.hpp
//
// Questions to the results of a sweep.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/sqlite.hpp"

namespace orrery::study {

struct QueryRows {
    std::vector<std::string> columns;
    std::vector<std::vector<sqlite::Value>> rows;
};

/// SELECT `select` over the points of a sweep's database, with `rest` ("where tp = 8 order by step_time_s
/// limit 5") after it. Columns are named as in a study's expressions; also id, status, reason. An empty
/// `select` stands for the number of every point that was simulated, what differs between the points, and the
/// headline figures. Nothing is changed in the file. Throws InputError: no such file, no results of a sweep,
/// an unknown column (with the nearest one), anything else that SQLite refuses.
QueryRows query(const std::filesystem::path& file, const std::string& select, const std::string& rest);

}  // namespace orrery::study
