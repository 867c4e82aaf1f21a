// sim/cost/calibration_names.hpp
//
// The names that the calibration file uses, shared by its reader and its writer.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "sim/cost/calibration.hpp"

namespace orrery::sim {

template <class E>
using Names = std::vector<std::pair<std::string, E>>;

inline const Names<Precision>& precision_names() {
    static const Names<Precision> names{{"bf16", Precision::bf16},
                                        {"fp16", Precision::fp16},
                                        {"fp8", Precision::fp8},
                                        {"tf32", Precision::tf32},
                                        {"fp32", Precision::fp32}};
    return names;
}

inline const Names<GemmLayout>& layout_names() {
    static const Names<GemmLayout> names{
        {"tn", GemmLayout::tn}, {"nn", GemmLayout::nn}, {"nt", GemmLayout::nt}};
    return names;
}

inline const Names<AttentionImplementation>& attention_names() {
    using enum AttentionImplementation;
    static const Names<AttentionImplementation> names{{"flash1", flash1}, {"flash2", flash2},
                                                      {"flash3", flash3}, {"cudnn", cudnn},
                                                      {"triton", triton}, {"unfused", unfused}};
    return names;
}

inline const Names<MemoryFamily>& family_names() {
    using enum MemoryFamily;
    static const Names<MemoryFamily> names{{"elementwise", elementwise}, {"normalization", normalization},
                                           {"softmax", softmax},         {"gather", gather},
                                           {"optimizer", optimizer},     {"fill", fill}};
    return names;
}

template <class E>
const std::string& name_of(E value, const Names<E>& names) {
    const auto found = std::find_if(names.begin(), names.end(),
                                    [value](const auto& entry) { return entry.second == value; });
    return found == names.end() ? names.front().first : found->first;
}

struct HostKey {
    const char* key;
    HostTime HostModel::*member;
};
inline constexpr std::array<HostKey, 7> kHostKeys{{{"forward_operator", &HostModel::forward_operator},
                                                   {"backward_operator", &HostModel::backward_operator},
                                                   {"optimizer_operator", &HostModel::optimizer_operator},
                                                   {"collective", &HostModel::collective},
                                                   {"point_to_point", &HostModel::point_to_point},
                                                   {"graph_launch", &HostModel::graph_launch},
                                                   {"kernel_launch", &HostModel::kernel_launch}}};

}  // namespace orrery::sim
