// study/experiment.hpp
//
// An experiment: which model, on which cluster, by which plan, priced how. Read from YAML, checked as a
// whole.
//
//     model: gpt3-175b                     # a name in models/zoo, a path, or the map itself
//     cluster: {node: dgx-a100, nodes: 128}
//     parallel: {tp: 8, pp: 16, sequence_parallel: true}     # dp follows from the GPUs: 8
//     schedule: {name: interleaved-1f1b, vpp: 2}
//     training: {global_batch: 1536, micro_batch: 1, precision: bf16, recompute: selective}
//     calibration: a100-sxm-80g
//     engine: replay
//
// docs/experiment.schema.json lists every key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/schema.hpp"
#include "core/yaml.hpp"
#include "models/transformer.hpp"
#include "parallel/plan.hpp"
#include "sim/cost/forced_collectives.hpp"
#include "study/disturbance_table.hpp"
#include "study/goodput.hpp"
#include "topologies/cluster.hpp"

namespace orrery::study {

enum class EngineKind : std::uint8_t { replay, flow, simgrid };
std::string_view to_string(EngineKind engine);

/// What one task of the program is.
enum class Granularity : std::uint8_t {
    kernel,  ///< one kernel or collective
    layer,   ///< one layer's kernels between two collectives
};

struct Experiment {
    std::string name;
    std::string description;
    std::string source;  ///< where the run it stands for is published
    models::TransformerShape model;
    topologies::Cluster cluster;
    parallel::Plan plan;
    std::string calibration;  ///< a name in calibrations, or a path; the GPU's name when not given
    /// [Cluster::kind] of a mixed cluster: each kind's, as `calibration`. Empty: that one for all.
    std::vector<std::string> kind_calibrations;
    EngineKind engine = EngineKind::replay;
    Granularity granularity = Granularity::kernel;
    bool fold = true;                      ///< simulate ranks that do the same work once
    sim::ForcedCollectives collectives{};  ///< algorithms and protocols that are not left to the calibration
    std::vector<sim::Straggler> stragglers;
    sim::Jitter jitter;
    std::vector<FaultChoice> faults;  ///< engine flow only
    SharingChoice sharing;            ///< engine flow only
    std::optional<Reliability> reliability;

    /// What it was read from (empty when built by hand), for the places in error messages.
    yaml::Node document;

    /// Where the key stands in the document, or the deepest map around it.
    [[nodiscard]] Location where(std::string_view dotted_key) const;
};

/// Reads and checks the experiment of that path, or of that name in configs. Overrides read "parallel.tp=4".
/// Throws InputError naming file, line, column, key, what is allowed and the nearest valid name.
Experiment load_experiment(const std::string& name_or_path, std::span<const std::string> overrides = {});

/// The same from YAML text; `file` names it in messages, and `base:` is looked up beside it.
Experiment parse_experiment(std::string_view yaml_text, const std::string& file,
                            std::span<const std::string> overrides = {});

/// Throws the mistakes that the document makes by itself: unknown keys, wrong types, values out of range. Not
/// those between keys.
void check_keys(const yaml::Node& document);

/// Checks an experiment as a whole, however it was made: degrees against GPUs, heads, layers, batch and
/// schedule. Throws InputError at the place of the offending key.
void check_experiment(const Experiment& experiment);

/// JSON Schema of an experiment's file (docs/experiment.schema.json), from the table that reads it.
std::string experiment_json_schema();

/// The names of the schemes for data parallelism (parallel.sharding), with a line about each.
struct NamedScheme {
    std::string_view name;
    parallel::DataSharding sharding;
    std::string_view summary;
};
std::span<const NamedScheme> sharding_schemes();

}  // namespace orrery::study
