// cli/schedule.hpp
//
// A bare pipeline schedule: what `orrery schedule` and the Python module's schedule() compute.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "schedules/evaluate.hpp"

namespace orrery::cli {

/// The options of `orrery schedule`, under their names; its --help says what each means.
struct ScheduleRequest {
    std::string name;
    std::optional<int> stages, microbatches, chunks, slices;
    std::string forward = "1", backward_input = "1", backward_weight = "1";  ///< one time, or one a stage
    double comm = 0;
    std::optional<double> overlapped, memory_limit, released_at_backward, time_limit;
    double transfer = 0;
    std::string variant;
    std::function<void(const std::string&)> progress;  ///< told what a search has found; may be empty
};

struct BareSchedule {
    schedules::Schedule schedule;
    schedules::Evaluation evaluation;
};

/// Makes the schedule, or reads the order file, and times it. Throws InputError whose key is the option
/// ("--stages"), ExperimentError where it does not fit the memory limit, SimulationError where it deadlocks.
BareSchedule bare_schedule(const ScheduleRequest& request);

/// What `orrery schedule --json` prints.
nlohmann::ordered_json to_json(const BareSchedule& bare);

}  // namespace orrery::cli
