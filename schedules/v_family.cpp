// schedules/v_family.cpp
//
// The V-shaped schedules of controllable memory (Qi et al. 2024, "Pipeline Parallelism with Controllable
// Memory", section 3): building blocks whose passes lie 1 or 2 slots (V-Half: down 2, up 1; V-Min: 1; V-ZB:
// down 4, up 2) apart on neighbouring devices. The lifetime of a micro-batch, and with it the memory,
// follows: V-Min (p+4)/3, V-Half (p+2)/2 rounded down, V-ZB p micro-batches. The orders do not depend on
// times; the bubbles do. For F = B = W in chunk units: V-Half 3p-7 (p even, at least 4) or 3p-4 (odd); V-Min
// 4p-5, or 4p-7 where 3 divides p.
//
// Another block is tried with v-zb's variant, four slot distances "down,up,down,up" of F, F, B, B.
#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"
#include "schedules/building_block.hpp"
#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

Schedule from_block(std::string_view name, const PipelineShape& shape, const BlockOffsets& offsets) {
    Schedule schedule = empty_schedule(name, shape);
    require_chunks(name, shape, 2);
    require_whole_sequences(name, shape);
    schedule.placement = {wave_placement(shape.devices, 2)};
    schedule.orders = repeat_block(building_block(shape.devices, offsets), shape.micro_batches);
    return schedule;
}

std::array<int, 4> parse_distances(const std::string& text) {
    std::array<int, 4> distances{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < distances.size(); ++i) {
        const auto [rest, error] = std::from_chars(at, end, distances[i]);
        const bool more = i + 1 < distances.size();
        const bool good = error == std::errc() && distances[i] >= 1 && distances[i] <= 12 &&
                          (more ? rest != end && *rest == ',' : rest == end);
        if (!good)
            throw InputError({}, "variant",
                             fmt::format("'{}' is no building block: four slot distances from 1 to 12 are "
                                         "expected, such as 4,2,4,2",
                                         text.substr(0, 40)));
        at = rest + (more ? 1 : 0);
    }
    return distances;
}

}  // namespace

Schedule v_min(const PipelineShape& shape) {
    require_variant("v-min", shape, {""});
    const int pause = shape.devices % 3 == 0 ? 2 : 0;  // without it the passes would collide
    return from_block("v-min", shape, {{1, 1, 1, 1}, {1, 1 + pause, 1}});
}

Schedule v_half(const PipelineShape& shape) {
    require_variant("v-half", shape, {""});
    const int pause = shape.devices % 2 == 0 ? 3 : 0;
    return from_block("v-half", shape, {{2, 1, 2, 1}, {1, 1 + pause, 2}});
}

Schedule v_zb(const PipelineShape& shape) {
    const std::array<int, 4> distances =
        shape.variant.empty() ? std::array<int, 4>{4, 2, 4, 2} : parse_distances(shape.variant);
    require_sizes(shape);
    return from_block("v-zb", shape, with_shortest_turns(shape.devices, distances));
}

}  // namespace orrery::schedules
