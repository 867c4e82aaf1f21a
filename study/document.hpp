// study/document.hpp
//
// The YAML document of an experiment, before it is read: `base:` files merged below it, `--set` overrides
// laid over it. Every node keeps the place it came from.
#pragma once

#include <span>
#include <string>

#include "core/yaml.hpp"

namespace orrery::study {

/// Lays `over` on `under`: maps merge key by key, anything else is replaced.
void merge(yaml::Node& under, yaml::Node over);

/// Replaces a top-level `base: FILE` by what the file (and its own bases) hold. FILE is looked up beside the
/// document, then in the working folder, or is a name in configs. Throws InputError: no such file, a cycle,
/// more than 8 levels.
yaml::Node follow_bases(yaml::Node document);

/// Applies "parallel.tp=4". The value is YAML; its place in messages is "--set parallel.tp=4". Keys that are
/// absent are made. A scalar that stands for a map ("model: gpt3-175b") becomes that map first. Throws
/// InputError when the text is not KEY=VALUE or the key leads through something that is no map.
void apply_override(yaml::Node& document, const std::string& key_and_value);

/// Lays `value` over what stands at a dotted key ("parallel.tp"): maps merge, anything else is replaced. Keys
/// that are absent are made, a scalar that stands for a map becomes that map where the key leads into it or
/// the value is a map. `where` stands in messages about the key itself.
void lay_over(yaml::Node& document, std::string_view dotted_key, yaml::Node value, const Location& where);

/// The node at a dotted path ("cluster.groups[1].node"), or the deepest one on the way to it that exists.
const yaml::Node& deepest(const yaml::Node& document, std::string_view dotted_path);

}  // namespace orrery::study
