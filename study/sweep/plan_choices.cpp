// `plans:` of a study: every way to split the GPUs over the parallel dimensions.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "study/sweep/grid.hpp"

namespace orrery::study {
namespace {

constexpr int kMostGpus = 1'000'000;
constexpr int kMostChunks = 16;

int integer_of(const yaml::Node& node, const std::string& key) {
    int value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [rest, error] = std::from_chars(node.text.data(), end, value);
    if (node.kind != yaml::Kind::scalar || error != std::errc() || rest != end || value < 1 ||
        value > kMostGpus) {
        throw InputError(node.where(), key, fmt::format("expected an integer from 1 to {}", kMostGpus));
    }
    return value;
}

std::vector<int> divisors(int n) {
    std::vector<int> all;
    for (int d = 1; d <= n; ++d) {
        if (n % d == 0) all.push_back(d);
    }
    return all;
}

/// The degrees that a part of `plans` allows; none when it is absent.
std::optional<std::vector<int>> degrees(const yaml::Node& plans, std::string_view part, int gpus) {
    const yaml::Node* node = plans.find(part);
    if (node == nullptr) return std::nullopt;
    const std::string key = fmt::format("vary.plans.{}", part);
    if (node->kind == yaml::Kind::scalar && node->text == "all") {
        if (part != "vpp") return divisors(gpus);
        std::vector<int> chunks;
        for (int v = 1; v <= kMostChunks; ++v) chunks.push_back(v);
        return chunks;
    }
    if (node->kind == yaml::Kind::scalar) return std::vector<int>{integer_of(*node, key)};
    if (node->kind != yaml::Kind::sequence || node->children.empty()) {
        throw InputError(node->where(), key, "expected a list of degrees, one degree, or all");
    }
    std::vector<int> values;
    for (const yaml::Node& child : node->children) values.push_back(integer_of(child, key));
    return values;
}

void check_parts(const yaml::Node& plans) {
    static const std::vector<std::string> parts = {"gpus", "tp", "pp", "cp", "ep", "vpp"};
    if (plans.kind != yaml::Kind::map) {
        throw InputError(plans.where(), "vary.plans",
                         "expected a map, as {gpus: 1024, tp: [1, 2, 4, 8], pp: all}");
    }
    for (const yaml::Node& child : plans.children) {
        if (std::find(parts.begin(), parts.end(), child.key) != parts.end()) continue;
        throw InputError(child.key_where(), "vary.plans." + child.key,
                         unknown_name("part of plans", child.key, parts));
    }
}

struct Degrees {
    int tp = 1;
    int pp = 1;
    int cp = 1;
    int ep = 1;
    int vpp = 1;
};

Setting setting(const yaml::Node& plans, std::string key, std::string text) {
    yaml::Node value = plans;
    value.children.clear();
    value.kind = yaml::Kind::scalar;
    value.text = std::move(text);
    return {std::move(key), std::move(value)};
}

Choice choice_of(const yaml::Node& plans, int gpus, const Degrees& d, bool with_chunks) {
    Choice choice;
    const auto set = [&](const char* key, int value) {
        choice.push_back(setting(plans, key, std::to_string(value)));
    };
    set("cluster.gpus", gpus);
    set("parallel.tp", d.tp);
    set("parallel.pp", d.pp);
    set("parallel.cp", d.cp);
    set("parallel.ep", d.ep);
    set("parallel.dp", gpus / (d.tp * d.pp * d.cp));
    if (with_chunks) {
        choice.push_back(setting(plans, "schedule.name", d.vpp == 1 ? "1f1b" : "interleaved-1f1b"));
        set("schedule.vpp", d.vpp);
    }
    return choice;
}

}  // namespace

Axis plan_choices(const yaml::Node& plans) {
    check_parts(plans);
    const yaml::Node* gpus_node = plans.find("gpus");
    if (gpus_node == nullptr) {
        throw InputError(plans.where(), "vary.plans.gpus", "is missing: how many GPUs the plans are for");
    }
    const int gpus = integer_of(*gpus_node, "vary.plans.gpus");
    const std::vector<int> tps = degrees(plans, "tp", gpus).value_or(divisors(gpus));
    const std::vector<int> pps = degrees(plans, "pp", gpus).value_or(divisors(gpus));
    const std::vector<int> cps = degrees(plans, "cp", gpus).value_or(std::vector<int>{1});
    const std::vector<int> eps = degrees(plans, "ep", gpus).value_or(std::vector<int>{1});
    const auto vpps = degrees(plans, "vpp", gpus);
    Axis axis;
    for (const int tp : tps) {
        for (const int pp : pps) {
            for (const int cp : cps) {
                const std::int64_t product = std::int64_t{1} * tp * pp * cp;
                if (product > gpus || gpus % product != 0) continue;
                for (const int ep : eps) {
                    if (gpus / (tp * pp) % ep != 0) continue;
                    for (const int vpp : vpps.value_or(std::vector<int>{1})) {
                        if (pp == 1 && vpp > 1) continue;  // chunks of a single stage mean nothing
                        axis.push_back(choice_of(plans, gpus, {tp, pp, cp, ep, vpp}, vpps.has_value()));
                    }
                }
            }
        }
    }
    if (axis.empty()) {
        throw InputError(plans.where(), "vary.plans",
                         fmt::format("no product of these degrees divides {} GPUs", gpus));
    }
    return axis;
}

}  // namespace orrery::study
