// cli/list.hpp
#pragma once

#include <string>
#include <vector>

namespace orrery::cli {

/// What `orrery list` lists: "models", "clusters", ...
std::vector<std::string> list_kinds();

struct ListedItem {
    std::string name;
    std::string summary;  ///< a word about it; may be empty
};

/// What exists of that kind. Throws InputError for a kind that is none of list_kinds().
std::vector<ListedItem> list_items(const std::string& kind);

}  // namespace orrery::cli
