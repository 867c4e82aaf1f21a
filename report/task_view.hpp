// report/task_view.hpp
//
// What pictures and traces say of a task: its category (which decides its colour), how many bytes it moves,
// and which ranks to show when there are too many.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/program.hpp"

namespace orrery::report {

/// Colours of the Gantt chart. Compute by phase, communication by dimension (the kind of stream); in the
/// picture of a difference (report/gantt_difference.hpp) how long the task lasted beside its prediction.
enum class Category : std::uint8_t {
    forward,
    backward,
    backward_input,
    backward_weight,
    recompute,
    optimizer,
    tp,
    pp,
    dp,
    cp,
    ep,
    copy,
    much_shorter,
    shorter,
    as_predicted,
    longer,
    much_longer,
    kCount,
};

/// "forward", "tp communication", ...
std::string_view to_string(Category category);

Category category_of(const sim::Program& program, const sim::RankProgram& tasks, sim::TaskId task);

/// Bytes a collective, send or copy carries; device memory traffic of memory-bound kernels; 0 where a work
/// does not count bytes.
double bytes_of(const sim::Work& work);

/// The first rank of each pipeline device, in pipeline order: enough to see a step, since the others do the
/// same work.
std::vector<sim::RankId> one_rank_per_pipeline_device(const sim::Program& program);

}  // namespace orrery::report
