// tests/schedules/golden.hpp
//
// The golden data of tests/schedules/data and how its names map to ours.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
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
};

inline const std::vector<GoldenName>& golden_names() {
    static const std::vector<GoldenName> names = {
        {"gpipe", "gpipe"},
        {"1f1b", "1f1b"},
        {"interleaved_1f1b", "interleaved-1f1b"},
    };
    return names;
}

inline const GoldenName* find_golden(const std::string& golden) {
    for (const GoldenName& name : golden_names())
        if (name.golden == golden) return &name;
    return nullptr;
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
    return shape;
}

}  // namespace orrery::schedules
