// sim/program.hpp
//
// A program is what a cluster runs in one step, without times: for each rank a list of tasks in the order its
// host issues them, each on one of the rank's streams. Engines and executors consume it unchanged.
//
// Shape. Ranks that do the same work share one `RankProgram` (its arrays are indexed by a local TaskId); only
// the communicators differ from rank to rank. So a program of 10^5 ranks costs little more than one of a
// rank, and the engine's inner loop reads arrays that stay in cache. Ranks that are exchangeable may moreover
// be folded: one simulated rank then stands for `multiplicity` real ones.
//
// Rules (checked by `validate`, honoured by every engine):
//  - tasks of one stream run one at a time, in issue order;
//  - a task starts when its stream is free, its dependencies (tasks of the same rank) have ended and the host
//  has issued it;
//  - everything between ranks goes through communicators, as in NCCL: the members of a communicator perform
//  the same
//    sequence of operations in the same order. The n-th operation of a communicator is one rendezvous: it
//    starts when every simulated member has reached it, and ends for all at once. A send and its receive are
//    the two members' sides of one operation of a two-rank communicator. A rank's operations of one
//    communicator lie on one of its streams, so that the stream's order is the communicator's;
//  - a task with kHostWaits blocks the host's issue of later tasks of that rank until it has ended.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/strong_id.hpp"
#include "models/kernel.hpp"

namespace orrery::sim {

using RankId = StrongId<struct RankTag>;
using TaskId = StrongId<struct TaskTag>;                             ///< local to a RankProgram
using GlobalTaskId = StrongId<struct GlobalTaskTag, std::uint64_t>;  ///< Program::first_task[rank] + local id
using StreamId = StrongId<struct StreamTag, std::uint8_t>;           ///< local to a RankProgram
using WorkId = StrongId<struct WorkTag>;
using CommunicatorId = StrongId<struct CommunicatorTag>;

enum class StreamKind : std::uint8_t { compute, tp, cp, ep, dp, pp_send, pp_recv, copy_in, copy_out };

enum class Phase : std::uint8_t {
    forward,
    backward,
    backward_input,
    backward_weight,
    recompute,
    parameter_gather,
    gradient_reduce,
    optimizer,
    transfer,  ///< evictions, loads, offload copies
};

enum class CollectiveKind : std::uint8_t {
    all_reduce,
    all_gather,
    reduce_scatter,
    broadcast,
    reduce,
    all_to_all,
    all_to_all_v,
    gather,
    scatter,
    send_recv,
    barrier,
};

/// Kernels run back to back on one stream. A program at kernel granularity has sequences of length one; a
/// coarser one joins all kernels between two communications. Both give the same timeline (the price of a
/// sequence is exact).
struct KernelSequence {
    std::vector<Kernel> kernels;
    std::uint16_t node_kind = 0;  ///< whose GPU runs them: Cluster::kind (sim/placed_program.hpp)
    bool operator==(const KernelSequence&) const = default;
};

/// What each member of an all-to-all-v sends to each other. Members are numbered as in the collective's
/// Group; what a member keeps (the diagonal) moves over no link.
struct TrafficMatrix {
    std::uint32_t members = 0;
    std::vector<double> bytes;  ///< [from * members + to], >= 0

    [[nodiscard]] double at(std::uint32_t from, std::uint32_t to) const {
        return bytes[static_cast<std::size_t>(from) * members + to];
    }
    /// Collective::bytes: what a member sends on average, what it keeps included. 0 of no members.
    [[nodiscard]] double mean_sent() const;
    bool operator==(const TrafficMatrix&) const = default;
};

inline constexpr std::uint32_t kNoMatrix = 0xFFFFFFFF;

/// One operation of a communicator. `bytes` is the size of the full buffer: of the input of an all-reduce,
/// broadcast or send; of the gathered output of an all-gather; of the input of a reduce-scatter; of what one
/// rank sends to all others together (its own share included) in an all-to-all; the mean of that over the
/// ranks in an all-to-all-v, whose matrix says how it is divided.
struct Collective {
    CollectiveKind kind = CollectiveKind::all_reduce;
    double bytes = 0;
    /// Which shape of group it runs on: index into Program::groups (for the price only).
    std::uint32_t group = 0;
    /// Host operations needed to issue it (see Kernel::host_operations).
    double host_operations = 0;
    /// Of an all-to-all-v: index into Program::matrices. kNoMatrix for all others.
    std::uint32_t matrix = kNoMatrix;
    bool operator==(const Collective&) const = default;
};

/// A copy between device and host memory (offload, eviction to the host).
struct Copy {
    double bytes = 0;
    bool to_host = false;
    std::uint16_t node_kind = 0;  ///< as of a KernelSequence
    bool operator==(const Copy&) const = default;
};

/// What a task does. Equal works are stored once per program.
using Work = std::variant<KernelSequence, Collective, Copy>;

/// What memory holds, as the reports name it.
enum class MemoryKind : std::uint8_t {
    parameters,
    gradients,
    optimizer_state,
    activations,
    communication_buffers,
    workspace,
    kCount,
};

/// Bytes taken (positive, when the task starts) or given back (negative, when it ends).
struct MemoryEvent {
    TaskId task;
    MemoryKind kind = MemoryKind::activations;
    double bytes = 0;
};

/// What a picture or a trace says of a task.
struct TaskLabel {
    Phase phase = Phase::forward;
    std::int16_t chunk = 0;
    std::int32_t micro_batch = -1;
    std::int16_t slice = 0;
    std::int16_t layer = -1;  ///< index in the model's chain, or -1
    std::int32_t name = 0;    ///< index into Program::names
};

inline constexpr std::uint32_t kNoCommunicator = 0xFFFFFFFF;
inline constexpr std::uint8_t kHostWaits = 1;

struct StreamInfo {
    StreamKind kind = StreamKind::compute;
    std::int16_t peer = -1;  ///< for pp streams: index of the peer's pipeline device
};

/// The tasks of one rank (or of many ranks that do the same), structure-of-arrays, in issue order.
struct RankProgram {
    std::vector<StreamInfo> streams;
    std::vector<StreamId> stream;     ///< [task]
    std::vector<WorkId> work;         ///< [task]
    std::vector<std::uint8_t> flags;  ///< [task] kHostWaits
    std::vector<std::uint32_t>
        communicator_slot;  ///< [task] index into the rank's communicator list, or kNoCommunicator
    std::vector<std::uint32_t> sequence;  ///< [task] which operation of that communicator (0, 1, 2, ...)
    std::vector<std::uint32_t> dependency_begin;  ///< [task+1] into `dependency`
    std::vector<TaskId> dependency;               ///< tasks of the same rank (any issue position)
    std::vector<TaskLabel> label;                 ///< [task]
    std::vector<MemoryEvent> memory;              ///< ordered by task
    std::array<double, static_cast<std::size_t>(MemoryKind::kCount)>
        static_bytes{};  ///< held for the whole step

    [[nodiscard]] std::size_t size() const { return work.size(); }
    [[nodiscard]] std::span<const TaskId> dependencies(TaskId task) const {
        return std::span(dependency)
            .subspan(dependency_begin[task()], dependency_begin[task() + 1] - dependency_begin[task()]);
    }
};

/// Real ranks of a communicator, for its price: their global device numbers, in ring order.
struct Group {
    std::vector<std::uint32_t> devices;
    bool operator==(const Group&) const = default;
};

/// A communicator among simulated ranks. A folded program may have communicators with one simulated member.
struct Communicator {
    std::uint32_t operations = 0;  ///< length of its sequence
    std::vector<RankId> members;   ///< simulated members, in ring order
    std::string name;              ///< for messages: "tp group 3", "pp 2->3"
};

struct Rank {
    std::uint32_t program = 0;                  ///< index into Program::rank_programs
    std::uint32_t device = 0;                   ///< global device number of the representative
    std::uint32_t multiplicity = 1;             ///< how many real ranks it stands for
    std::int32_t pipeline_device = 0;           ///< position in the pipeline, for reports
    std::vector<CommunicatorId> communicators;  ///< slot -> communicator
};

struct Program {
    std::vector<RankProgram> rank_programs;
    std::vector<Rank> ranks;
    std::vector<std::uint64_t> first_task;  ///< [rank+1] prefix sums of task counts; last = number of tasks
    std::vector<Communicator> communicators;
    std::vector<Group> groups;
    std::vector<TrafficMatrix> matrices;  ///< of all-to-all-v
    std::vector<Work> works;
    std::vector<std::string> names;  ///< of tasks, for reports

    [[nodiscard]] std::uint64_t tasks() const { return first_task.empty() ? 0 : first_task.back(); }
    [[nodiscard]] const RankProgram& program_of(RankId rank) const {
        return rank_programs[ranks[rank()].program];
    }
};

/// Checks the rules above that need no simulation: indices in range, each communicator's operations complete
/// and the same work on all members, send/recv communicators of two, the matrix of an all-to-all-v as large
/// as its group (and, where all the group is simulated, the communicator's members in the group's order).
/// Throws SimulationError naming ranks and tasks.
void validate(const Program& program);

/// "rank 3 (device 24), stream pp_recv, task 17: recv forward mb 2": how messages and reports name a task.
std::string describe(const Program& program, RankId rank, TaskId task);

std::string_view to_string(StreamKind kind);
std::string_view to_string(Phase phase);
std::string_view to_string(CollectiveKind kind);
std::string_view to_string(MemoryKind kind);

}  // namespace orrery::sim
