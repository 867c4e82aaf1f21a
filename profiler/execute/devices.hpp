// profiler/execute/devices.hpp
//
// The devices of all ranks, as an executor within one process sees them: queues that run what they are given
// in order (CUDA streams), marks in them that others wait for and that tell the time (CUDA events), memory.
// Implemented for GPUs by the CUDA module (profiler/execute/cuda), and by threads in the tests.
//
// The host is ahead of the devices: every call but those of its last section returns before what it asks for
// has happened. Different threads may call for different lanes at once, never for the same one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "profiler/execute/device_operations.hpp"
#include "profiler/execute/execution.hpp"
#include "profiler/execute/rank_memory.hpp"

namespace orrery::profiler {

/// What a lane is for: a stream of a rank, and the kernels and copies that it will be given.
struct LaneUse {
    sim::RankId rank;
    sim::StreamKind kind = sim::StreamKind::compute;
    std::vector<sim::WorkId> works;
};

class Devices {
  public:
    Devices() = default;
    virtual ~Devices() = default;
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;

    /// "4 ranks on 32 multiprocessors each of one NVIDIA H100".
    [[nodiscard]] virtual std::string describe() = 0;

    /// A rank's memory. What it hands out holds small numbers.
    virtual MemorySource& memory(sim::RankId rank) = 0;

    /// Prepares lanes, marks and works for a program, which stays alive until the next call. Throws
    /// ExperimentError for a kernel that the devices do not run, std::bad_alloc.
    virtual void use(const PlannedRun& run, const std::vector<LaneUse>& lanes, std::size_t marks) = 0;

    /// How operations of communicators are carried out here; null: by copies and sums over the lanes
    /// (CopiedOperations).
    virtual std::unique_ptr<Operations> own_operations() { return nullptr; }

    /// The calling thread issues for this rank from now on.
    virtual void enter(sim::RankId rank) = 0;

    virtual void record(Lane lane, Mark mark) = 0;
    /// What the lane is given later waits for what was recorded last. Precondition: something was.
    virtual void wait(Lane lane, Mark mark) = 0;
    /// A kernel sequence or copy of the lane's; or the run's pause, which waits its cost.
    virtual void launch(Lane lane, sim::WorkId work) = 0;
    virtual void copy(Lane lane, std::byte* to, const std::byte* from, std::size_t bytes) = 0;
    /// to[i] = sum over `from` of from[i]: `count` floats. `to` is none of them.
    virtual void add(Lane lane, std::byte* to, std::span<const std::byte* const> from, std::size_t count) = 0;

    /// Time begins now; all lanes are at rest.
    virtual void begin() = 0;
    /// Seconds since begin().
    [[nodiscard]] virtual double now() const = 0;
    /// What was recorded last has happened. Throws ExperimentError when a device has failed.
    [[nodiscard]] virtual bool reached(Mark mark) = 0;
    /// When, by the clock of now(). Precondition: reached(mark).
    [[nodiscard]] virtual double time_of(Mark mark) = 0;
    /// Lets go of what is in flight: it may never end. Nothing but the destructor is called afterwards.
    virtual void abandon() = 0;
};

/// The GPUs of this machine for so many ranks: a GPU each where there are as many, otherwise all on shares of
/// the first. Throws MissingCapability where this build has no CUDA, or this machine no GPU or not what the
/// placement needs; ExperimentError.
std::unique_ptr<Devices> make_cuda_devices(int ranks);

}  // namespace orrery::profiler
