// study/variants.hpp
//
// One file that describes several experiments: the keys of an experiment, and `vary:`, what differs. Either a
// map from keys to lists, whose combinations are all taken,
//
//     vary:
//       schedule: [1f1b, {name: interleaved-1f1b, vpp: 2}, zb-h1]
//       training.global_batch: [64, 128]
//
// or a list of such maps, whose combinations come one after the other:
//
//     vary:
//       - {name: [narrow], parallel.tp: [2]}
//       - {name: [wide], parallel.tp: [8], cluster.nodes: [4]}
//
// A value that is a map is laid over the file's own map at that key; for `schedule` it replaces it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "study/experiment.hpp"

namespace orrery::study {

/// One of the experiments, or why it cannot be one: its message, without the place.
struct Variant {
    std::string name;  ///< its `name:`, or the values that differ
    std::optional<Experiment> experiment;
    std::string refused;
};

/// Whether the file of that path, or of that name in configs, or one of its bases, says `vary:`. Throws
/// InputError where there is no such file or it is no YAML.
bool describes_several(const std::string& name_or_path);

/// All experiments of such a file, in its order, with overrides laid over each. What is wrong with one of
/// them is said in its `refused`; what is wrong with all, or with `vary:` itself (empty, no lists, more than
/// 4,096 combinations), throws InputError.
std::vector<Variant> load_variants(const std::string& name_or_path,
                                   std::span<const std::string> overrides = {});

/// The same from YAML text; `file` names it in messages.
std::vector<Variant> parse_variants(std::string_view yaml_text, const std::string& file,
                                    std::span<const std::string> overrides = {});

}  // namespace orrery::study
