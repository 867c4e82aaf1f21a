// core/data_path.hpp
//
// Where the data files lie: "models/zoo", "topologies/zoo", "calibrations", "configs". Roots, in order:
//   1. the folder named by the environment variable ORRERY_DATA, alone, if it is set;
//   2. share/orrery of the installation that the running command or Python module belongs to
//   (core/own_file.hpp);
//   3. the source tree it was built from.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace orrery {

/// The roots that exist, in order of preference.
std::vector<std::filesystem::path> data_roots();

/// Names (file names without ".yaml") in a data folder such as "models/zoo", sorted. All roots together.
std::vector<std::string> data_names(std::string_view folder);

/// The file of a name in a data folder, or `name_or_path` itself when it is a path (holds a '/' or ends in
/// ".yaml" or ".yml"). A relative path is looked up beside `where.file` first, then in the working folder.
/// Throws InputError at `where` and `key` ("unknown model 'x'; did you mean ...") when there is none; `what`
/// is the word for it: "model".
std::filesystem::path data_file(std::string_view folder, const std::string& name_or_path,
                                std::string_view what, const Location& where = {},
                                const std::string& key = {});

}  // namespace orrery
