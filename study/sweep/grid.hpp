// study/sweep/grid.hpp
//
// Which points a study tries: `vary:` of its file.
//
//     vary:
//       parallel.tp: [1, 2, 4, 8]                                # every value of a list
//       training.global_batch: {from: 256, to: 4096, times: 2}   # 256, 512, 1024, 2048, 4096
//       cluster.oversubscription: {from: 1, to: 8, step: 1}      # 1, 2, ..., 8
//       cluster.nic_bandwidth: {from: 12.5e9, to: 100e9, steps: 7, scale: log}
//       cluster: [{node: dgx-a100, nodes: 16}, {node: dgx-h100, nodes: 16}]
//       zip: {schedule.name: [1f1b, zb-h1], parallel.overlap_p2p: [false, true]}  # together, not crossed
//       plans: {gpus: 1024, tp: [1, 2, 4, 8], pp: all, vpp: all} # every way to split the GPUs
//
// The keys are crossed: the first varies slowest, the last fastest. A list of such maps is the union of their
// grids. Points are numbered from 0 in that order and made on demand, so that a space of millions costs
// nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/yaml.hpp"

namespace orrery::study {

/// One key set to one value, with its place in the file.
struct Setting {
    std::string key;
    yaml::Node value;
};

/// What is set together.
using Choice = std::vector<Setting>;

/// The choices of one axis, in order.
using Axis = std::vector<Choice>;

/// All axes crossed.
struct Grid {
    std::vector<Axis> axes;

    [[nodiscard]] std::uint64_t size() const;
};

/// The points of a study.
class Space {
  public:
    /// One point that changes nothing.
    Space() = default;
    explicit Space(std::vector<Grid> grids);

    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// The settings of point `index` < size(), in the order of the axes.
    [[nodiscard]] std::vector<const Setting*> point(std::uint64_t index) const;
    /// Every key that some point sets, in the order of their first appearance.
    [[nodiscard]] std::vector<std::string> keys() const;
    [[nodiscard]] const std::vector<Grid>& grids() const { return grids_; }

  private:
    std::vector<Grid> grids_;
    std::uint64_t size_ = 1;
};

/// Reads `vary:`. Throws InputError (file, line, key, what is allowed) for a value that is no list and no
/// range, a range without end, lists of a zip that differ in length, a key set twice in one grid, more than
/// 10^12 points.
Space read_space(const yaml::Node& vary);

/// The numbers of {from, to, step}, {from, to, times}, {from, to, steps[, scale: linear|log]} as nodes that
/// stand where `range` does. `to` is among them where the steps meet it within 1e-9 of a step; integers stay
/// integers.
std::vector<yaml::Node> range_values(const yaml::Node& range, const std::string& key);

/// The choices of `plans: {gpus, tp, pp, cp, ep, vpp}`: every combination whose tp x pp x cp divides the
/// GPUs. Each of tp, pp, cp, ep, vpp is a list of degrees, one degree, or `all`; tp and pp are `all`, the
/// others 1, when they are not given. `all` is every divisor of the GPUs (ep: of what tp x pp leaves; vpp: 1
/// to 16). A choice sets cluster.gpus and the degrees, and, where vpp is given, schedule.name to 1f1b or
/// interleaved-1f1b.
Axis plan_choices(const yaml::Node& plans);

}  // namespace orrery::study
