// The rooms keep to their floors: a source includes headers of its own room and of lower floors only. The
// table is that of docs/architecture.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace orrery {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, int> floors = {{"core", 0},  {"models", 1},   {"topologies", 1}, {"schedules", 1},
                                           {"sim", 2},   {"parallel", 3}, {"profiler", 3},   {"report", 3},
                                           {"study", 4}, {"planner", 5},  {"cli", 6},        {"python", 7}};

struct Include {
    std::string file;
    int line = 0;
    std::string room;  ///< of the including file
    std::string header;
};

bool is_source(const fs::path& path) {
    const std::string extension = path.extension().string();
    return extension == ".hpp" || extension == ".cpp" || extension == ".cu" || extension == ".cuh";
}

std::vector<Include> includes_of(const fs::path& path, const std::string& room) {
    static const std::regex quoted_include("^\\s*#\\s*include\\s*\"([^\"]+)\".*");
    std::vector<Include> includes;
    std::ifstream file(path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        std::smatch match;
        if (std::regex_match(line, match, quoted_include))
            includes.push_back({path.string(), number, room, match[1]});
    }
    return includes;
}

std::vector<Include> all_includes() {
    std::vector<Include> all;
    for (const auto& [room, floor] : floors) {
        const fs::path folder = fs::path(ORRERY_SOURCE_DIR) / room;
        if (!fs::exists(folder)) continue;
        for (auto entry = fs::recursive_directory_iterator(folder);
             entry != fs::recursive_directory_iterator(); ++entry) {
            if (entry->path().filename() == "node_modules") {
                entry.disable_recursion_pending();
            } else if (entry->is_regular_file() && is_source(entry->path())) {
                const std::vector<Include> some = includes_of(entry->path(), room);
                all.insert(all.end(), some.begin(), some.end());
            }
        }
    }
    return all;
}

std::string room_of(const std::string& header) {
    return header.substr(0, header.find('/'));
}

TEST(Architecture, RoomsIncludeOnlyLowerFloors) {
    const std::vector<Include> includes = all_includes();
    ASSERT_GT(includes.size(), 100U);
    for (const Include& include : includes) {
        const std::string other = room_of(include.header);
        if (!floors.contains(other) || other == include.room) continue;
        EXPECT_LT(floors.at(other), floors.at(include.room))
            << include.file << ":" << include.line << " includes " << include.header;
    }
}

TEST(Architecture, IncludesNameTheirRoom) {
    for (const Include& include : all_includes()) {
        const bool generated = include.header.starts_with("generated/") || !include.header.ends_with(".hpp");
        EXPECT_TRUE(generated || floors.contains(room_of(include.header)))
            << include.file << ":" << include.line << ": \"" << include.header << "\" is not ROOM/HEADER.hpp";
    }
}

}  // namespace
}  // namespace orrery
