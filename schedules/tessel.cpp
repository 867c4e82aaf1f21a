// schedules/tessel.cpp
//
// Tessel's search on the placements of its paper (Lin et al. 2024, section 2), as variants:
//
// "v"   a stage a device, in a chain (the default)
// "x"   two chains in opposite directions, half of the micro-batches each (Chimera's placement)
// "m"   the first and the last layer lie on all devices, a part on each (large shared embeddings): three
//       stages a device
// "nn"  two chains over the devices, every stage of the second reads the end of the first too (encoder and
//       decoder): two stages a device
// "k"   two branches, each on half of the devices, then a chain over all of them (modalities): two stages a
//       device
//
// or the devices of a chain of stages, such as 0,1,2,1,0 ... (as many as devices times chunks). All stages
// take the same time.
#include "schedules/tessel.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// The chain first..first+count-1 in inputs.
void chain(std::vector<std::vector<int>>& inputs, int first, int count) {
    for (int stage = first + 1; stage < first + count; ++stage) inputs[stage].push_back(stage - 1);
}

void place_m(Schedule& schedule) {
    const int p = schedule.devices;
    auto& inputs = schedule.stage_inputs;
    inputs.resize(static_cast<std::size_t>(3) * p);
    chain(inputs, p, p);
    for (int part = 0; part < p; ++part) {
        inputs[p].push_back(part);
        inputs[2 * p + part].push_back(2 * p - 1);
    }
}

void place_nn(Schedule& schedule) {
    const int p = schedule.devices;
    auto& inputs = schedule.stage_inputs;
    inputs.resize(static_cast<std::size_t>(2) * p);
    chain(inputs, 0, 2 * p);
    for (int stage = p + 1; stage < 2 * p; ++stage) inputs[stage].push_back(p - 1);
}

void place_k(Schedule& schedule) {
    const int p = schedule.devices;
    if (p % 2 != 0)
        throw InputError({}, "stages", fmt::format("tessel's k needs an even number of stages, not {}", p));
    auto& inputs = schedule.stage_inputs;
    inputs.resize(static_cast<std::size_t>(2) * p);
    chain(inputs, 0, p / 2);
    chain(inputs, p / 2, p / 2);
    chain(inputs, p, p);
    inputs[p] = {p / 2 - 1, p - 1};
}

void place_list(Schedule& schedule, const std::string& variant) {
    std::vector<int> placement;
    const char* at = variant.data();
    const char* const end = at + variant.size();
    while (true) {
        int device = -1;
        const auto [rest, error] = std::from_chars(at, end, device);
        const bool more = error == std::errc() && rest != end && *rest == ',';
        if (error != std::errc() || (rest != end && !more) || device < 0 || device >= schedule.devices)
            throw InputError({}, "variant",
                             fmt::format("tessel expects v, x, m, nn, k or the devices of its stages, from 0 "
                                         "to {}, such as 0,1,1,0, not '{}'",
                                         schedule.devices - 1, variant.substr(0, 40)));
        placement.push_back(device);
        if (!more) break;
        at = rest + 1;
    }
    if (placement.size() != static_cast<std::size_t>(schedule.stages()))
        throw InputError(
            {}, "chunks",
            fmt::format("{} stages are listed; stages x chunks are {}", placement.size(), schedule.stages()));
    schedule.placement = {std::move(placement)};
}

int chunks_of(const std::string& variant, const PipelineShape& shape) {
    if (variant == "v" || variant == "x") return 1;
    if (variant == "m") return 3;
    if (variant == "nn" || variant == "k") return 2;
    return shape.chunks;
}

}  // namespace

Schedule tessel(const PipelineShape& given) {
    require_sizes(given);
    require_whole_sequences("tessel", given);
    PipelineShape shape = given;
    const std::string variant = shape.variant.empty() ? "v" : shape.variant;
    shape.chunks = chunks_of(variant, shape);
    if (given.chunks != 1) require_chunks("tessel", given, shape.chunks);
    Schedule schedule = empty_schedule("tessel", shape);
    if (variant == "x") {
        schedule.placement.push_back(reversed_placement(shape.devices));
        schedule.weight_copies = 2;
    } else if (variant == "m") {
        place_m(schedule);
    } else if (variant == "nn") {
        place_nn(schedule);
    } else if (variant == "k") {
        place_k(schedule);
    } else if (variant != "v") {
        place_list(schedule, variant);
    }
    tessel_search(schedule, shape);
    return schedule;
}

}  // namespace orrery::schedules
