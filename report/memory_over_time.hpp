// report/memory_over_time.hpp
//
// What the GPUs of each pipeline stage hold over the step, cut into equal slices for a picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/metrics/memory.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

struct MemoryOverTime {
    struct Rank {
        std::uint32_t device = 0;              ///< global device number
        std::int32_t pipeline_device = 0;      ///< position in the pipeline
        std::vector<sim::BytesByKind> slices;  ///< at the slice's fullest moment
    };
    std::vector<Rank> ranks;  ///< by pipeline device
    double slice_s = 0;
    double capacity_bytes = 0;  ///< of a GPU
    std::string note;           ///< which ranks are shown where not all stages are, or empty
};

inline constexpr std::size_t kMemorySlices = 240;
inline constexpr std::size_t kMemoryRanks = 8;

/// One rank of each pipeline device; of more than kMemoryRanks devices so many, evenly spread from the first
/// to the last. Empty for a timeline of no time. `capacity_bytes`: of a GPU, drawn as a line.
MemoryOverTime memory_over_time(const sim::Program& program, const sim::Timeline& timeline,
                                double capacity_bytes);

}  // namespace orrery::report
