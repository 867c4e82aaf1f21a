#include "schedules/placement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace orrery::schedules {

std::vector<int> looped_placement(int devices, int chunks) {
    std::vector<int> placement;
    for (int chunk = 0; chunk < chunks; ++chunk)
        for (int device = 0; device < devices; ++device) placement.push_back(device);
    return placement;
}

std::vector<int> wave_placement(int devices, int chunks) {
    std::vector<int> placement;
    for (int chunk = 0; chunk < chunks; ++chunk)
        for (int i = 0; i < devices; ++i) placement.push_back(chunk % 2 == 0 ? i : devices - 1 - i);
    return placement;
}

std::vector<int> reversed_placement(int devices) {
    std::vector<int> placement;
    for (int stage = 0; stage < devices; ++stage) placement.push_back(devices - 1 - stage);
    return placement;
}

Schedule empty_schedule(std::string_view name, const PipelineShape& shape) {
    require_sizes(shape);
    Schedule schedule;
    schedule.name = name;
    schedule.devices = shape.devices;
    schedule.micro_batches = shape.micro_batches;
    schedule.chunks = shape.chunks;
    schedule.slices = shape.slices;
    schedule.placement = {looped_placement(shape.devices, shape.chunks)};
    schedule.orders.resize(static_cast<std::size_t>(shape.devices));
    return schedule;
}

void require_sizes(const PipelineShape& shape) {
    const auto at_least_one = [](const char* key, int value) {
        if (value < 1) throw InputError({}, key, fmt::format("must be at least 1, not {}", value));
    };
    at_least_one("stages", shape.devices);
    at_least_one("microbatches", shape.micro_batches);
    at_least_one("chunks", shape.chunks);
    at_least_one("slices", shape.slices);
    constexpr double kMostActions = 1 << 28;
    const double actions = 3.0 * shape.devices * shape.micro_batches * shape.chunks * shape.slices;
    if (actions > kMostActions)
        throw InputError({}, "microbatches",
                         fmt::format("stages x microbatches x chunks x slices gives about {:.0f} actions; at "
                                     "most {:.0f} are supported",
                                     actions, kMostActions));
}

void require_chunks(std::string_view name, const PipelineShape& shape, int chunks) {
    if (shape.chunks != chunks)
        throw InputError({}, "chunks",
                         fmt::format("{} needs {} chunk{} per device, not {}", name, chunks,
                                     chunks == 1 ? "" : "s", shape.chunks));
}

void require_whole_sequences(std::string_view name, const PipelineShape& shape) {
    if (shape.slices != 1)
        throw InputError({}, "slices",
                         fmt::format("{} does not slice sequences: needs 1, not {}", name, shape.slices));
}

std::string require_variant(std::string_view name, const PipelineShape& shape,
                            const std::vector<std::string>& allowed) {
    if (shape.variant.empty()) return allowed.front();
    if (std::find(allowed.begin(), allowed.end(), shape.variant) == allowed.end())
        throw InputError(
            {}, "variant",
            fmt::format("{} has no variant '{}'; it has: {}", name, shape.variant, fmt::join(allowed, ", ")));
    return shape.variant;
}

}  // namespace orrery::schedules
