#include "core/data_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <system_error>

#include "core/nearest_name.hpp"
#include "core/own_file.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

bool is_path(const std::string& name) {
    return name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

/// The folder that holds bin/orrery or lib/python3.X/site-packages/orrery/; empty when it is not known.
fs::path prefix_of(const OwnFile& own) {
    fs::path folder = own.path.parent_path();
    for (int up = own.is_program ? 1 : 4; up > 0 && !folder.empty(); --up) folder = folder.parent_path();
    return folder;
}

}  // namespace

std::vector<fs::path> data_roots() {
    std::vector<fs::path> roots;
    const auto add = [&roots](const fs::path& root) {
        std::error_code ignored;
        if (fs::is_directory(root, ignored)) roots.push_back(root);
    };
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* named = std::getenv("ORRERY_DATA"); named != nullptr && *named != '\0') {
        add(named);
        return roots;
    }
    if (const fs::path prefix = prefix_of(own_file()); !prefix.empty()) add(prefix / "share" / "orrery");
    add(ORRERY_SOURCE_TREE);
    return roots;
}

std::vector<std::string> data_names(std::string_view folder) {
    std::set<std::string> names;
    for (const fs::path& root : data_roots()) {
        std::error_code ignored;
        for (const fs::directory_entry& entry : fs::directory_iterator(root / folder, ignored)) {
            if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
        }
    }
    return {names.begin(), names.end()};
}

fs::path data_file(std::string_view folder, const std::string& name_or_path, std::string_view what,
                   const Location& where, const std::string& key) {
    std::error_code ignored;
    if (is_path(name_or_path)) {
        fs::path path = name_or_path;
        fs::path beside = fs::path(where.file).parent_path() / path;
        if (path.is_relative() && !where.file.empty() && fs::is_regular_file(beside, ignored)) return beside;
        if (fs::is_regular_file(path, ignored)) return path;
        throw InputError(where, key, fmt::format("there is no {} file '{}'", what, name_or_path));
    }
    for (const fs::path& root : data_roots()) {
        fs::path path = root / folder / (name_or_path + ".yaml");
        if (!name_or_path.empty() && fs::is_regular_file(path, ignored)) return path;
    }
    const std::vector<std::string> names = data_names(folder);
    throw InputError(where, key,
                     unknown_name(what, name_or_path, names) + "; a path to a YAML file also works");
}

}  // namespace orrery
