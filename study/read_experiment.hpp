// study/read_experiment.hpp
//
// A document, however it came about, as an experiment.
#pragma once

#include <span>
#include <string>

#include "study/experiment.hpp"

namespace orrery::study {

/// Follows bases, lays overrides over the document, reads and checks it. Throws InputError.
Experiment read_experiment(yaml::Node document, std::span<const std::string> overrides);

}  // namespace orrery::study
