// cli/live_session.hpp
//
// What `orrery serve` shows: one experiment and the settings that a reader may change. Nothing that a request
// says names a file: only the keys below are taken, and only words of letters, digits and "+-._" as their
// values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/html/live_page.hpp"
#include "study/experiment.hpp"

namespace orrery::cli {

/// Changed settings, in the order given: {"parallel.tp", "4"}.
using LiveSettings = std::vector<std::pair<std::string, std::string>>;

class LiveSession {
  public:
    /// The experiment of that path or name; of a study its point of that number, or the first that is legal.
    /// `sets` lie over it, as --set. Throws InputError.
    LiveSession(std::string name_or_path, std::vector<std::string> sets, std::optional<std::uint64_t> point);

    /// The fields of the page with these changes.
    [[nodiscard]] std::vector<report::LiveControl> controls(const LiveSettings& settings) const;

    /// Simulates the experiment with these changes. Throws InputError for a key that is none of the controls
    /// and for a value that is no plain word; ExperimentError for one that is too much work for a page
    /// (kMostTasks); and what the command line would throw for the same settings.
    [[nodiscard]] report::LiveRun run(const LiveSettings& settings) const;

    [[nodiscard]] const std::string& name() const { return base_.name; }

  private:
    /// Those that differ from the experiment's own: a form sends all of its fields.
    [[nodiscard]] LiveSettings changed(const LiveSettings& settings) const;
    [[nodiscard]] study::Experiment load(const LiveSettings& settings) const;
    [[nodiscard]] std::string command(const LiveSettings& settings) const;

    std::string source_;
    std::vector<std::string> sets_;
    std::optional<std::uint64_t> point_;  ///< of a study
    study::Experiment base_;
};

/// The experiment that a sweep tries as that point of the study, with --set over it. Throws InputError.
study::Experiment point_of_study(const std::string& study, std::uint64_t point,
                                 const std::vector<std::string>& sets);

}  // namespace orrery::cli
