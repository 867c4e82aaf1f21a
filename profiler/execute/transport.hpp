// profiler/execute/transport.hpp
//
// How the processes of an execution reach each other: implemented by the MPI module (profiler/execute/mpi).
// One thread of a process calls it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/execute/execution.hpp"

namespace orrery::profiler {

/// One rank's side of the next operation of a communicator.
struct Posting {
    sim::CommunicatorId communicator;
    const sim::Collective* work = nullptr;
    std::uint32_t work_id = 0;
    std::uint32_t sequence = 0;
    bool sends = false;       ///< of a send-recv
    double arrival_s = 0;     ///< when this member is ready, by the aligned clock
    double issued_end_s = 0;  ///< earliest end by this member's host
};

/// What all members know once they have met.
struct Meeting {
    double met_s = 0;         ///< the last arrival
    double issued_end_s = 0;  ///< the latest of the members' earliest ends
};

class Transport {
  public:
    Transport() = default;
    virtual ~Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    [[nodiscard]] virtual int rank() const = 0;
    [[nodiscard]] virtual int size() const = 0;
    /// "4 processes on host x, Open MPI v4.1.4". The same on all.
    [[nodiscard]] virtual std::string describe() = 0;

    /// Sleeps until all are there. Throws ExperimentError when that takes longer.
    virtual void barrier(double timeout_s) = 0;
    /// The first process's bytes to all.
    virtual void broadcast(std::string& bytes) = 0;
    /// Every process's bytes, by rank, on the first; nothing on the others.
    virtual std::vector<std::string> gather(const std::string& bytes) = 0;

    /// Seconds by a clock that all processes share: their monotonic clocks, less their distance to the first
    /// one's (0 on one host, otherwise half the shortest of many round trips).
    [[nodiscard]] virtual double now() const = 0;

    /// Prepares the communicators of a program; every process calls it. A message holds at most `most_bytes`
    /// (0: as the work says). The program stays alive until the next call.
    virtual void use(const sim::Program& program, std::uint64_t most_bytes) = 0;

    /// Begins an operation on a stream that has none in flight. The data moves without blocking.
    virtual void post(std::size_t stream, const Posting& posting) = 0;
    /// Progresses all operations; true when that of the stream has ended, with what the members know of each
    /// other. Throws ExperimentError when the members' operations are not the same.
    virtual bool ended(std::size_t stream, Meeting& meeting) = 0;

    /// Ends all processes at once.
    virtual void abort(int status) = 0;
};

}  // namespace orrery::profiler
