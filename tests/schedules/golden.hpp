// tests/schedules/golden.hpp
//
// The golden data of tests/schedules/data and how its names map to ours.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "schedules/evaluate.hpp"

namespace orrery::schedules {

inline nlohmann::json read_data(const std::string& file) {
    const std::string path = std::string(ORRERY_SOURCE_DIR) + "/tests/schedules/data/" + file;
    std::ifstream stream(path);
    if (!stream) throw std::runtime_error("cannot open " + path);
    return nlohmann::json::parse(stream);
}

/// A name of the golden data, and the registered schedule and options that must reproduce it.
struct GoldenName {
    std::string golden;
    std::string ours;
    std::string variant = "";
    double limit_per_device = 0;  ///< memory limit as a multiple of p; 0: none
    std::optional<double> released_at_backward = std::nullopt;
};

inline const std::vector<GoldenName>& golden_names() {
    static const std::vector<GoldenName> names = {
        {"gpipe", "gpipe"},
        {"1f1b", "1f1b"},
        {"eager1f1b", "eager-1f1b"},
        {"dapple_A", "dapple", "a"},
        {"dapple_B", "dapple", "b"},
        {"interleaved_1f1b", "interleaved-1f1b"},
        {"1f1b_overlapped_pairs", "interleaved-1f1b-overlap"},
        {"interleaved_1f1b_overlapF&B", "interleaved-1f1b-overlap"},
        {"looped_bfs_fifo", "breadth-first", "fifo"},
        {"looped_bfs_torch", "breadth-first", "lifo"},
        {"terapipe", "terapipe"},
        {"seq1f1b", "seq1f1b"},
        {"zb_h1", "zb-h1"},
        {"zb_h2", "zb-h2"},
        {"zb_auto_1p", "zb-auto", "", 1, 0.5},
        {"zb_auto_1.5p", "zb-auto", "", 1.5, 0.5},
        {"zb_auto_2p", "zb-auto", "", 2, 0.5},
        {"zb_auto_1p_MwEqMb", "zb-auto", "", 1, 0},
        {"zb_auto_1.5p_MwEqMb", "zb-auto", "", 1.5, 0},
        {"zb_auto_2p_MwEqMb", "zb-auto", "", 2, 0},
        {"zb_v", "zb-v"},
        {"zb_v_torch", "zb-v", "fixed"},
        {"v_1f1b", "1f1b-v"},
        {"v_half", "v-half"},
        {"v_min", "v-min"},
        {"interleaved_zb1p_torch", "interleaved-zb"},
        {"chimera_direct", "chimera"},
        {"hanayo_own_greedy", "hanayo"},
        {"dualpipe_ovl_sum", "dualpipe"},
        {"dualpipe_ovl_0.8", "dualpipe"},
        {"dualpipev_ovl_sum", "dualpipev"},
        {"dualpipev_ovl_0.8", "dualpipev"},
    };
    return names;
}

inline const GoldenName* find_golden(const std::string& golden) {
    for (const GoldenName& name : golden_names())
        if (name.golden == golden) return &name;
    return nullptr;
}

/// Our schedule for a golden name. The golden order of Megatron's overlap is "not fused": its pairs run one
/// after the other, so ours is compared without its units.
inline Schedule golden_schedule(const GoldenName& name, const PipelineShape& shape) {
    Schedule schedule = make_schedule(name.ours, shape);
    if (name.golden == "interleaved_1f1b_overlapF&B")
        for (auto& order : schedule.orders)
            for (Action& action : order) action.overlap = -1;
    return schedule;
}

/// Our shape for a golden entry.
inline PipelineShape golden_shape(const GoldenName& name, int p, int m, int v, int q) {
    PipelineShape shape;
    shape.devices = p;
    shape.micro_batches = m;
    shape.chunks = v;
    shape.slices = q;
    shape.variant = name.variant;
    if (name.limit_per_device > 0) shape.memory_limit = name.limit_per_device * p;
    shape.released_at_backward = name.released_at_backward;
    return shape;
}

}  // namespace orrery::schedules
