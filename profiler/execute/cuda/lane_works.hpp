// profiler/execute/cuda/lane_works.hpp
//
// The kernels and copies of a lane, planned once and launched as often as asked. Operands rotate through
// arenas larger than the L2 cache, so that kernels find theirs in memory, as they do when they are profiled
// and in training. What products write lies in an arena of its own: numbers that they read stay small.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "profiler/execute/execution.hpp"
#include "profiler/kernels/cuda/launchable.hpp"

namespace orrery::profiler::cuda {

/// Memory that operands are taken from in turn.
class OperandArena {
  public:
    /// Filled with small numbers.
    OperandArena(std::size_t bytes, unsigned long long seed);
    void* take(std::size_t bytes);

  private:
    DeviceBuffer memory_;
    std::size_t next_ = 0;
};

/// Bytes that the kernels and copies of a rank take at once.
struct ArenaNeeds {
    std::size_t numbers = 0;
    std::size_t written = 0;
};

/// A rank's arenas.
struct RankArenas {
    /// What lies `far` away is in no cache any more.
    RankArenas(const ArenaNeeds& needs, std::size_t far)
        : numbers(needs.numbers + far, 1), written(needs.written + far, 2), apart(far) {}
    OperandArena numbers;  ///< what products read
    OperandArena written;  ///< everything else
    std::size_t apart;
};

/// Of these works; `apart` as the arenas'. Throws ExperimentError for a kernel that this GPU does not run.
ArenaNeeds needs_of(const sim::Program& program, const std::vector<sim::WorkId>& works, Context& context,
                    std::size_t apart);

class LaneWorks {
  public:
    /// Plans the works and runs each once, so that no library loads anything later. Throws ExperimentError
    /// for one that this GPU does not run. Context and arenas outlive it.
    LaneWorks(const sim::Program& program, const std::vector<sim::WorkId>& works, Context& context,
              RankArenas& arenas);

    void launch(sim::WorkId work);

  private:
    struct Planned {
        std::unique_ptr<Launchable> launchable;
        std::vector<Operand> operands;
        std::vector<DeviceBuffer> own;  ///< operands whose contents mean something: indices, masks
        std::vector<void*> fixed;       ///< their addresses, and null for those that rotate
        bool product = false;
        std::size_t overlapping = 0;  ///< bytes that its rotating operands take overlapping; 0: they do not
    };
    struct PlannedCopy {
        std::size_t bytes = 0;
        bool to_host = false;
    };

    void plan(const Kernel& kernel, std::vector<Planned>& sequence);
    void run(const Planned& planned);
    void run(const PlannedCopy& copy);
    [[nodiscard]] OperandArena& arena_of(const Planned& planned, std::size_t operand) const;

    Context& context_;
    RankArenas& arenas_;
    std::map<sim::WorkId, std::vector<Planned>> sequences_;
    std::map<sim::WorkId, PlannedCopy> copies_;
    std::unique_ptr<PinnedBuffer> host_;  ///< the other side of copies
    std::vector<void*> pointers_;
};

}  // namespace orrery::profiler::cuda
