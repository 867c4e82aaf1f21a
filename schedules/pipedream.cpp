// schedules/pipedream.cpp
//
// The asynchronous pipelines. PipeDream (Narayanan et al. 2019, section 3.2): 1F1B without a flush; stage s
// has p-s micro-batches in flight and keeps the weights each of them started with (weight stashing): up to
// min(p-s, m) versions. PipeDream-2BW (Narayanan et al. 2021): the same order, but gradients are gathered
// over at least p micro-batches, so that two versions are enough and every update is delayed by one step. The
// evaluation of m micro-batches contains the first fill and the last drain, (p-1)(F+B+W), which an endless
// stream does not repeat.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

Schedule without_flush(std::string_view name, const PipelineShape& shape) {
    Schedule schedule = empty_schedule(name, shape);
    require_chunks(name, shape, 1);
    require_whole_sequences(name, shape);
    schedule.synchronous = false;
    for (int stage = 0; stage < shape.devices; ++stage)
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches, shape.devices - stage - 1);
    return schedule;
}

}  // namespace

Schedule pipedream(const PipelineShape& shape) {
    Schedule schedule = without_flush("pipedream", shape);
    schedule.updates_each_micro_batch = true;
    for (int stage = 0; stage < shape.devices; ++stage)
        schedule.weight_versions.push_back(std::min(shape.devices - stage, shape.micro_batches));
    schedule.weight_copies = schedule.weight_versions.front();
    return schedule;
}

Schedule pipedream_2bw(const PipelineShape& shape) {
    Schedule schedule = without_flush("pipedream-2bw", shape);
    if (shape.micro_batches < shape.devices)
        throw InputError({}, "microbatches",
                         fmt::format("pipedream-2bw gathers gradients over at least as many micro-batches as "
                                     "stages: {} or more, not {}",
                                     shape.devices, shape.micro_batches));
    schedule.weight_versions.assign(static_cast<std::size_t>(shape.devices), 2);
    schedule.weight_copies = 2;
    return schedule;
}

}  // namespace orrery::schedules
