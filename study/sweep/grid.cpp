#include "study/sweep/grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.hpp"

namespace orrery::study {
namespace {

constexpr std::uint64_t kMostPoints = 1'000'000'000'000;
constexpr std::size_t kMostSettings = 1'000'000;  ///< of one grid: each is kept

std::vector<yaml::Node> values_of(const yaml::Node& node, const std::string& key) {
    if (node.kind == yaml::Kind::sequence && !node.children.empty()) return node.children;
    if (node.kind == yaml::Kind::map) return range_values(node, key);
    throw InputError(
        node.where(), key,
        fmt::format("expected a list of values, or a range as {{from: 1, to: 64, times: 2}}; got {}",
                    node.kind == yaml::Kind::sequence ? "an empty list" : yaml::describe(node.kind)));
}

Axis axis_of(const yaml::Node& node) {
    Axis axis;
    for (yaml::Node& value : values_of(node, node.key)) axis.push_back({Setting{node.key, std::move(value)}});
    return axis;
}

Axis zip_of(const yaml::Node& zip) {
    if (zip.kind != yaml::Kind::map || zip.children.empty()) {
        throw InputError(zip.where(), "vary.zip", "expected a map of lists of the same length");
    }
    Axis axis;
    for (const yaml::Node& child : zip.children) {
        std::vector<yaml::Node> values = values_of(child, child.key);
        if (axis.empty()) axis.resize(values.size());
        if (axis.size() != values.size()) {
            throw InputError(child.where(), "vary.zip." + child.key,
                             fmt::format("{} values, but the key before it has {}; expected as many",
                                         values.size(), axis.size()));
        }
        for (std::size_t i = 0; i < axis.size(); ++i) axis[i].push_back({child.key, std::move(values[i])});
    }
    return axis;
}

Grid grid_of(const yaml::Node& node) {
    if (node.kind != yaml::Kind::map || node.children.empty()) {
        throw InputError(node.where(), "vary",
                         fmt::format("expected a map from keys to lists; got {}", yaml::describe(node.kind)));
    }
    Grid grid;
    std::size_t settings = 0;
    for (const yaml::Node& child : node.children) {
        if (child.key == "zip" && child.kind == yaml::Kind::sequence) {
            for (const yaml::Node& one : child.children) grid.axes.push_back(zip_of(one));
        } else if (child.key == "zip") {
            grid.axes.push_back(zip_of(child));
        } else if (child.key == "plans") {
            grid.axes.push_back(plan_choices(child));
        } else {
            grid.axes.push_back(axis_of(child));
        }
        for (const auto& choice : grid.axes.back()) settings += choice.size();
        if (settings > kMostSettings)
            throw InputError(child.where(), child.key,
                             fmt::format("the values of this grid are more than {}", kMostSettings));
    }
    std::set<std::string> seen;
    for (const Axis& axis : grid.axes) {
        for (const Setting& setting : axis.front()) {
            if (!seen.insert(setting.key).second) {
                throw InputError(setting.value.where(), setting.key,
                                 "is set by two entries of the same grid");
            }
        }
    }
    return grid;
}

}  // namespace

std::uint64_t Grid::size() const {
    std::uint64_t product = 1;
    for (const Axis& axis : axes) {
        if (product > kMostPoints / axis.size()) return kMostPoints + 1;
        product *= axis.size();
    }
    return product;
}

Space::Space(std::vector<Grid> grids) : grids_(std::move(grids)), size_(0) {
    for (const Grid& grid : grids_) size_ += grid.size();
}

std::vector<const Setting*> Space::point(std::uint64_t index) const {
    std::vector<const Setting*> settings;
    for (const Grid& grid : grids_) {
        const std::uint64_t size = grid.size();
        if (index >= size) {
            index -= size;
            continue;
        }
        std::uint64_t block = size;
        for (const Axis& axis : grid.axes) {
            block /= axis.size();
            for (const Setting& setting : axis[index / block]) settings.push_back(&setting);
            index %= block;
        }
        break;
    }
    return settings;
}

std::vector<std::string> Space::keys() const {
    std::vector<std::string> keys;
    for (const Grid& grid : grids_) {
        for (const Axis& axis : grid.axes) {
            for (const Setting& setting : axis.front()) {
                if (std::find(keys.begin(), keys.end(), setting.key) == keys.end())
                    keys.push_back(setting.key);
            }
        }
    }
    return keys;
}

Space read_space(const yaml::Node& vary) {
    std::vector<Grid> grids;
    if (vary.kind == yaml::Kind::sequence) {
        for (const yaml::Node& child : vary.children) grids.push_back(grid_of(child));
    } else {
        grids.push_back(grid_of(vary));
    }
    if (grids.empty())
        throw InputError(vary.where(), "vary", "an empty list; expected a map from keys to lists");
    Space space(std::move(grids));
    if (space.size() > kMostPoints) {
        throw InputError(vary.where(), "vary", fmt::format("more than {} points", kMostPoints));
    }
    return space;
}

}  // namespace orrery::study
