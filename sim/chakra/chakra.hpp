// sim/chakra/chakra.hpp
//
// Programs as Chakra execution traces (MLCommons; what ASTRA-sim is fed with), and back.
//
// A folder of traces holds <name>.<rank>.et, a file for every rank from 0 on, and comm_groups.json: {"1": [0,
// 1, ...]}, the ranks of each process group. In a file (sim/chakra/et_def.proto) stand GlobalMetadata and
// then a node a task:
//
//   COMP_NODE                    kernels: num_ops (FLOP), tensor_size (bytes moved)
//   COMM_COLL_NODE               comm_type, comm_size, pg_name. The size is that of a member's input, as
//   ASTRA-sim counts
//                                it: of an all-gather the share of one member, not the gathered buffer
//   COMM_SEND_NODE, _RECV_NODE   comm_size, comm_src, comm_dst, comm_tag: sends and receives of one source,
//   destination
//                                and tag meet in order
//   MEM_STORE_NODE, MEM_LOAD_NODE    copies to and from the host: tensor_size
//
// All have is_cpu_op, start_time_micros and duration_micros, as the simulation had them. Times are rounded as
// points of the step, not as lengths: a consumer that only adds durations up along the dependencies stays
// within half a microsecond of every time. data_deps are the program's dependencies, ctrl_deps the order of
// streams, tasks that the host waits for, and the host itself: where a task waits for nothing but the host's
// issuing it, a COMP_NODE with is_cpu_op stands for that time.
//
// Attributes that begin with "orrery_" keep what the schema has no word for; other readers pass over them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

/// A file of a folder of traces.
struct TraceFile {
    std::string name;
    std::string bytes;
};

struct ChakraSize {
    std::uint64_t files = 0;
    std::uint64_t nodes = 0;
    std::uint64_t bytes = 0;
};

/// The trace of one rank of a program that is not folded. The timeline must be of the program and the costs.
TraceFile chakra_trace(const Program& program, const WorkCosts& costs, const Timeline& timeline, RankId rank);

/// comm_groups.json
TraceFile chakra_groups(const Program& program);

/// Writes the folder, each file whole. Throws ExperimentError for a folded program, MissingCapability where
/// Orrery was built without Protocol Buffers, InputError when a file cannot be written.
ChakraSize write_chakra(const std::filesystem::path& folder, const Program& program, const WorkCosts& costs,
                        const Timeline& timeline);

/// What traces say. Kernels are sequences of one memory-bound kernel with the trace's FLOPs and bytes.
struct TracedProgram {
    Program program;
    WorkCosts costs;  ///< durations as recorded; the host issues everything at once
    std::vector<StreamId>
        host_stream;  ///< [rank] of the nodes with is_cpu_op; none where it has no such nodes
    /// Communications without a duration, and computations that have work but no duration.
    std::uint64_t untimed_communications = 0;
    std::uint64_t untimed_computations = 0;
};

/// Reads a folder of traces. A rank's work becomes streams: one of computations, one of the host's
/// (is_cpu_op), one for copies each way, one for each process group, one for each peer, direction and tag
/// (for each peer and direction where there are too many). An operation lasts as long as in the trace of the
/// member that records the shortest: the others count their wait. Operations of different sizes are an error
/// but for all-to-alls, which get the mean.
///
/// Throws InputError, naming file and node, for what is cut off, of another type or inconsistent:
/// dependencies on nodes that do not exist or in a circle, unknown groups, ranks without a trace, partners
/// that disagree; MissingCapability as above.
TracedProgram read_chakra(const std::filesystem::path& folder);

/// The same from memory: traces by rank, then comm_groups.json (empty text: there is none).
TracedProgram parse_chakra_traces(const std::vector<TraceFile>& traces, const TraceFile& groups);

}  // namespace orrery::sim
