// topologies/gpu_file.hpp
//
// GPUs of the zoo on their own, without a node around them.
#pragma once

#include <string>
#include <vector>

#include "topologies/cluster.hpp"

namespace orrery::topologies {

/// The GPU of that name in topologies/zoo/gpus, or of the file at that path. Throws InputError with the
/// nearest name.
Gpu load_gpu(const std::string& name_or_path);

/// Names in the zoo, sorted.
std::vector<std::string> gpu_names();

}  // namespace orrery::topologies
