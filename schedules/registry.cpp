// schedules/registry.cpp
//
// The table of schedules: the one place where a name meets its generator.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "schedules/formulas.hpp"
#include "schedules/generators.hpp"
#include "schedules/nearest_name.hpp"

namespace orrery::schedules {
namespace {

std::vector<ScheduleEntry> make_registry() {
    return {
        {.name = "gpipe",
         .summary = "all forwards, then all backwards (Huang et al. 2019)",
         .generate = gpipe,
         .bubble = full_bubble,
         .peak = peak_all},
        {.name = "1f1b",
         .summary =
             "one forward, one backward in turn, with a flush (PipeDream-Flush; Narayanan et al. 2021)",
         .generate = one_f_one_b,
         .bubble = full_bubble,
         .peak = peak_one_f_one_b},
        {.name = "interleaved-1f1b",
         .summary = "1F1B over v virtual stages per device (Megatron-LM; Narayanan et al. 2021)",
         .generate = interleaved_one_f_one_b,
         .default_chunks = 2,
         .bubble = interleaved_bubble,
         .peak = peak_interleaved},
    };
}

}  // namespace

const std::vector<ScheduleEntry>& registry() {
    static const std::vector<ScheduleEntry> entries = make_registry();
    return entries;
}

Schedule make_schedule(std::string_view name, const PipelineShape& shape) {
    return find_schedule(name).generate(shape);
}

const ScheduleEntry& find_schedule(std::string_view name) {
    std::vector<std::string_view> names;
    for (const ScheduleEntry& entry : registry()) {
        if (entry.name == name) return entry;
        names.push_back(entry.name);
    }
    throw InputError(
        {}, "schedule",
        fmt::format("there is no schedule '{}'; the nearest name is '{}'", name, nearest_name(name, names)));
}

}  // namespace orrery::schedules
