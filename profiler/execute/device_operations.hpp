// profiler/execute/device_operations.hpp
//
// Operations of communicators between ranks whose devices one process drives. The executor calls when all
// members are at the operation; who is last issues it for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/program.hpp"

namespace orrery::profiler {

using Lane = std::uint32_t;  ///< a queue of a device
using Mark = std::uint32_t;  ///< a place in a queue
inline constexpr Lane kNoLane = 0xFFFFFFFF;

/// One rank's side of an operation.
struct OperationMember {
    sim::RankId rank;
    Lane lane = kNoLane;        ///< none of a sender that has nothing to run (see Operations)
    std::vector<Mark> arrived;  ///< reached when this member is there
    bool sends = false;         ///< of a send-recv
    std::byte* send = nullptr;
    std::byte* receive = nullptr;
};

struct MetOperation {
    const sim::Collective* work = nullptr;
    sim::CommunicatorId communicator;
    std::vector<OperationMember> members;  ///< in the communicator's order
};

class Operations {
  public:
    Operations() = default;
    virtual ~Operations() = default;
    Operations(const Operations&) = delete;
    Operations& operator=(const Operations&) = delete;

    /// The receiver's side moves the data, a sender needs no lane: where all that a stream holds is sends, it
    /// has none.
    [[nodiscard]] virtual bool senders_need_no_lane() const = 0;
    /// The program stays alive until the next call.
    virtual void use(const sim::Program& program) = 0;
    /// Of a send-recv exactly one member sends. Issues the operation on the members' lanes, so that none of
    /// them gets past it before all have arrived. What a lane is given afterwards follows it. Not called by
    /// two threads at once.
    virtual void carry_out(const MetOperation& operation) = 0;
};

/// Floats of a buffer of so many bytes; at least one of any that is not empty.
std::size_t floats_of(double bytes);

/// Bytes that a member's buffers take, of what it sends and of what it receives, for an operation of so many
/// members. Each is divided into as many equal shares as there are members where the operation divides it.
std::size_t buffer_bytes(const sim::Program& program, const sim::Collective& work, std::size_t members);

class Devices;

/// Operations as copies and sums between the members' buffers, when all can reach each other's memory: every
/// member fetches what it is to have. An all-reduce is a reduce-scatter and an all-gather. All members end
/// together.
class CopiedOperations final : public Operations {
  public:
    /// `first_mark`: of 2 a lane, which are its own.
    CopiedOperations(Devices& devices, Mark first_mark) : devices_(devices), first_mark_(first_mark) {}

    [[nodiscard]] bool senders_need_no_lane() const override { return true; }
    void use(const sim::Program& program) override { program_ = &program; }
    void carry_out(const MetOperation& operation) override;

  private:
    using Members = std::vector<OperationMember>;

    void carry_out_pair(const MetOperation& operation);
    /// Nobody's lane goes on before all have got here; `arrived`: for the first time in this operation.
    void meet(const Members& members, bool arrived);
    void move_data(const MetOperation& operation);
    void all_reduce(const Members& members, std::size_t count);
    void all_to_all_v(const MetOperation& operation);
    void copy(const OperationMember& to, std::size_t to_at, const std::byte* from, std::size_t from_at,
              std::size_t count);
    void add(const OperationMember& to, std::size_t to_at, const Members& from, std::size_t from_at,
             std::size_t count);

    Devices& devices_;
    Mark first_mark_;
    const sim::Program* program_ = nullptr;
};

}  // namespace orrery::profiler
