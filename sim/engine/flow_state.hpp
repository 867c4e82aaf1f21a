// sim/engine/flow_state.hpp
//
// How far every rank, stream and rendezvous has come in the engine flow, and the rules of the host: what
// replay.cpp keeps in the same shape. Times of tasks are written into the timeline.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/engine/contention.hpp"
#include "sim/engine/deadlock.hpp"
#include "sim/engine/packed_program.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

struct FlowStream {
    double free = 0;            ///< end of its last task
    std::uint32_t head = 0;     ///< first task that has not ended, or kNoTask
    std::uint32_t segment = 0;  ///< of the head, see packed_program.hpp
    std::uint64_t waiters = 0;  ///< streams of the rank whose head depends on a task of this one
    bool busy = false;          ///< the head has begun or waits for others; an event will end it
};

struct FlowRank {
    const PackedTask* tasks = nullptr;
    const PackedDependency* dependencies = nullptr;
    const std::uint32_t* host_waits = nullptr;
    const CommunicatorId* communicators = nullptr;
    double* start = nullptr;
    double* end = nullptr;
    double* segment_begin = nullptr;  ///< host time at which each segment begins, as far as known
    FlowStream* streams = nullptr;
    std::uint64_t runnable = 0;                            ///< streams to visit
    std::uint64_t host_waiters = 0;                        ///< streams whose head the host has not issued
    std::uint64_t compute = 0;                             ///< streams of kernels that slow down
    std::uint64_t holding = 0;                             ///< streams with collectives that slow them
    std::uint32_t host_segment = 0;                        ///< the segment that the host is in
    std::uint32_t issued = kNoTask;                        ///< the last task of that segment
    std::uint32_t first_stream = 0;                        ///< global number of stream 0
    std::array<std::uint16_t, kCollectiveKinds> beside{};  ///< collectives under way that slow kernels
    double slowdown = 1;                                   ///< of kernels now
    double fault = 1;                                      ///< part of it that a device fault makes
    bool queued = false;
};

/// A member of a rendezvous: its task is the head of its stream.
struct FlowMember {
    std::uint32_t rank = 0;
    std::uint32_t stream = 0;
};

/// The operation of a communicator that its members are gathering for, or perform.
struct FlowMeeting {
    double ready = 0;       ///< when the latest so far arrived
    double issued_end = 0;  ///< the latest h + issue_to_end so far
    std::uint32_t arrived = 0;
    std::uint32_t members = 0;
    std::uint32_t work = 0;
    std::size_t first = 0;  ///< where its list of members begins
};

struct FlowState {
    /// All streams at their first task, all ranks queued. The timeline must outlive it.
    FlowState(const Program& program, const WorkCosts& costs, Timeline& timeline);

    [[nodiscard]] std::span<const FlowMember> members(std::uint32_t meeting) const {
        return std::span(arrivals).subspan(meetings[meeting].first, meetings[meeting].members);
    }
    [[nodiscard]] StreamKind kind_of(FlowMember member) const {
        return program.program_of(RankId(member.rank)).streams[member.stream].kind;
    }
    /// The rank's stream of that global number.
    [[nodiscard]] FlowMember member_of(std::uint32_t stream) const {
        return {owner[stream], stream - ranks[owner[stream]].first_stream};
    }
    [[nodiscard]] std::string describe_head(FlowMember member) const;

    void queue(std::uint32_t rank);
    /// Ends the stream's head; the caller visits what waits for it.
    void end_head(FlowRank& rank, std::uint32_t stream, double end);
    /// The same by an event: queues the rank with what waits for it.
    void end_busy(FlowMember member, double end);
    /// Streams that depend on this one are to be visited.
    static void wake(FlowRank& rank, FlowStream& stream) {
        rank.runnable |= stream.waiters;
        stream.waiters = 0;
    }

    [[nodiscard]] bool finished() const;
    [[nodiscard]] Progress progress() const;

    const Program& program;
    const WorkCost* costs;
    PackedPrograms packed;
    std::vector<FlowRank> ranks;
    std::vector<FlowStream> streams;   ///< of all ranks
    std::vector<std::uint32_t> owner;  ///< [stream] rank
    std::vector<std::size_t> stream_begin;
    std::vector<double> segments;
    std::vector<FlowMeeting> meetings;  ///< [communicator]
    std::vector<FlowMember> arrivals;   ///< of all meetings
    std::vector<std::uint32_t> stack;   ///< ranks with something to run

  private:
    void lay_out_ranks(Timeline& timeline);
    void lay_out_rank(RankId id, Timeline& timeline);
    void lay_out_communicators();
};

}  // namespace orrery::sim
