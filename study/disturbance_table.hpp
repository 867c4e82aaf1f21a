// study/disturbance_table.hpp
//
// The keys of an experiment about what goes wrong, and about who goes first on shared links:
//
//     stragglers: [{gpu: 3, slowdown: 1.2}]
//     jitter: {deviation: 0.02, seed: 7}
//     faults: [{link: node 0 nic 0, at_s: 0.1, bandwidth: 0.5}, {gpu: 5, at_s: 1, slowdown: 2}]
//     sharing: {pp: {priority: 1}, dp: {weight: 0.5}}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/schema.hpp"
#include "sim/engine/flow.hpp"

namespace orrery::study {

struct FaultChoice {
    std::string link;  ///< a link of one direction ("gpu 3 out"), or a cable: both ("gpu 3", "node 0 nic 1")
    std::optional<std::uint32_t> gpu;
    double at_s = 0;
    std::optional<double> bandwidth;  ///< of a link: what is left of it, a fraction
    std::optional<double> slowdown;   ///< of a GPU
    bool fails = false;               ///< of a GPU
};

struct SharingChoice {
    sim::StreamShare tp, cp, ep, dp, pp, copy;
};

const schema::Table<sim::Straggler>& straggler_table();
const schema::Table<sim::Jitter>& jitter_table();
const schema::Table<FaultChoice>& fault_table();
const schema::Table<SharingChoice>& sharing_table();

}  // namespace orrery::study
