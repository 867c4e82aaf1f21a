// report/html/live_page.hpp
//
// The page of `orrery serve`: the page of one run with fields for its settings. Where the build has the
// script, a change asks the server for a new picture; else the fields are a form that loads the page again.
#pragma once

#include <string>
#include <vector>

#include "report/html/pages.hpp"

namespace orrery::report {

/// A setting that the reader may change.
struct LiveControl {
    std::string key;                       ///< "parallel.tp"
    std::string label;                     ///< "tp"
    std::string base;                      ///< what the experiment's file gives
    std::string value;                     ///< what it is now
    std::vector<std::string> choices;      ///< of a menu; empty: a field
    std::vector<std::string> suggestions;  ///< of a field: arrow keys step through them
    std::string hint;                      ///< a unit or a word of explanation
};

/// One simulated experiment.
struct LiveRun {
    Result result;
    Gantt gantt;
    MemoryOverTime memory;
    std::string command;    ///< that gives the same result
    std::string derived;    ///< "dp 8, 64 micro-batches"
    std::string complaint;  ///< that it does not fit, and what helps; or empty
    double wall_s = 0;      ///< of reading, simulating and summarizing it
};

/// The whole page. `error`: why the settings asked for cannot be; `run` is then another picture.
std::string live_page(const std::vector<LiveControl>& controls, const LiveRun& run, const std::string& error,
                      Drawing drawing = default_drawing());

/// What changes of the page with a run, for its script.
Json live_json(const LiveRun& run);

}  // namespace orrery::report
