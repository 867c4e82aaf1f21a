// sim/chakra/trace_program.hpp
//
// Nodes of all ranks' traces, matched into a program.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/chakra/trace_node.hpp"

namespace orrery::sim::chakra {

/// Process groups by name: their ranks, in ring order.
using TraceGroups = std::map<std::string, std::vector<std::uint32_t>>;

/// comm_groups.json as groups of `ranks` ranks. Throws InputError.
TraceGroups parse_groups(const TraceFile& file, std::uint32_t ranks);

/// The rank's nodes in an order that their dependencies allow, the file's where it does; indices into
/// `nodes`. `before[i]` are the indices that node i depends on. Throws InputError for ids that are given
/// twice or not at all, and for a circle, whose nodes it names.
struct NodeOrder {
    std::vector<std::uint32_t> order;
    std::vector<std::vector<std::uint32_t>> before;
};
NodeOrder order_nodes(const std::vector<TraceNode>& nodes, const std::string& file);

/// The program of these ranks. `files[rank]` are names for messages.
TracedProgram make_program(const std::vector<std::vector<TraceNode>>& nodes, const TraceGroups& groups,
                           const std::vector<std::string>& files);

}  // namespace orrery::sim::chakra
