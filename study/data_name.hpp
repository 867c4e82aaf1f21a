// study/data_name.hpp: names and paths of data files as an experiment writes them.
#pragma once

#include <string>
#include <string_view>

#include "study/experiment.hpp"

namespace orrery::study {

/// A name stays a name; a path is looked up beside the experiment's file. Throws InputError at the key when
/// there is neither.
std::string data_name(const Experiment& experiment, const std::string& key, const std::string& word,
                      std::string_view folder, const std::string& written);

}  // namespace orrery::study
