// sim/chakra/trace_node.hpp
//
// A node of a Chakra trace, checked, without the wire format it came in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/chakra/chakra.hpp"
#include "sim/program.hpp"

namespace orrery::sim::chakra {

enum class NodeKind : std::uint8_t { nothing, computation, load, store, send, receive, collective };

struct TraceNode {
    std::uint64_t id = 0;
    std::string name;
    NodeKind kind = NodeKind::nothing;
    bool on_host = false;
    std::vector<std::uint64_t> before;  ///< ids of the nodes it depends on
    double duration_s = 0;
    double flops = 0;
    double bytes = 0;  ///< tensor_size, or comm_size
    CollectiveKind collective = CollectiveKind::all_reduce;
    std::string group;         ///< of a collective: pg_name; empty or "0": all ranks
    std::uint32_t source = 0;  ///< of a send or receive
    std::uint32_t destination = 0;
    std::uint32_t tag = 0;
    std::string stream;      ///< orrery_stream, or empty
    std::uint32_t lane = 0;  ///< orrery_lane: tells a rank's streams of computations or copies apart
    std::string phase;       ///< orrery_phase, or empty
    std::int32_t micro_batch = -1;
};

/// The nodes of a trace, in the file's order. `rank` is whose it is. Throws InputError.
std::vector<TraceNode> parse_nodes(const TraceFile& trace, std::uint32_t rank);

}  // namespace orrery::sim::chakra
