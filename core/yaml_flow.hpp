// core/yaml_flow.hpp
//
// A YAML tree as one line of text.
#pragma once

#include <string>

#include "core/yaml.hpp"

namespace orrery::yaml {

/// The node on one line, in YAML's flow style: `{node: dgx-a100, nodes: 128}`. Reads back as the same tree
/// (places aside), and equal trees give equal texts.
std::string flow_text(const Node& node);

}  // namespace orrery::yaml
