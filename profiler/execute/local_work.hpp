// profiler/execute/local_work.hpp
//
// Kernels and copies that a rank really executes: Eigen on one thread, memcpy. Operands rotate through arenas
// that are larger than the caches, so that kernels find theirs in memory, as they do when they are profiled
// (cold) and in training. What kernels write lies in an arena of its own: numbers that are read stay small.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "profiler/kernels/cpu/plan.hpp"
#include "sim/program.hpp"

namespace orrery::profiler {

class LocalWork {
  public:
    /// Prepares the works that the rank's tasks name. Throws ExperimentError for a kernel that the CPU does
    /// not execute (16-bit products), std::bad_alloc.
    LocalWork(const sim::Program& program, sim::RankId rank);

    /// Executes a work of the rank that is no collective. One call at a time.
    void run(sim::WorkId work);

    /// Bytes that the rank's arenas take.
    static double arena_bytes(const sim::Program& program, sim::RankId rank);

  private:
    struct Prepared {
        std::vector<cpu::Plan> plans;
    };
    struct AlignedDelete {
        void operator()(std::byte* memory) const;
    };

    /// Memory that operands are taken from in turn.
    struct Arena {
        std::unique_ptr<std::byte[], AlignedDelete> memory;
        std::size_t size = 0;
        std::size_t next = 0;

        std::byte* take(std::size_t bytes);
    };

    void run(const cpu::Plan& plan);

    std::vector<std::unique_ptr<Prepared>> prepared_;  ///< [work]; null: not this rank's, or a collective
    Arena numbers_;                                    ///< what kernels only read
    Arena written_;
    std::vector<std::byte*> operands_;
};

}  // namespace orrery::profiler
