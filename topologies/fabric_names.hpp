// topologies/fabric_names.hpp: the names of fabrics and routings in YAML.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "topologies/cluster.hpp"

namespace orrery::topologies {

inline std::vector<std::pair<std::string, FabricKind>> fabric_kinds() {
    return {{"fat-tree", FabricKind::fat_tree},   {"rail-optimised", FabricKind::rail_optimised},
            {"rail-only", FabricKind::rail_only}, {"dragonfly", FabricKind::dragonfly},
            {"torus", FabricKind::torus},         {"dragonfly-plus", FabricKind::dragonfly_plus}};
}

inline std::vector<std::pair<std::string, Routing>> routings() {
    return {{"adaptive", Routing::adaptive}, {"ecmp", Routing::ecmp}, {"fixed", Routing::fixed}};
}

inline std::string to_string(FabricKind kind) {
    for (const auto& [name, value] : fabric_kinds())
        if (value == kind) return name;
    return "?";
}

inline std::string to_string(Routing routing) {
    for (const auto& [name, value] : routings())
        if (value == routing) return name;
    return "?";
}

}  // namespace orrery::topologies
