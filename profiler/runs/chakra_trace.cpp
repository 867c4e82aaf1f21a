// Chakra execution traces (github.com/mlcommons/chakra, schema/protobuf/et_def.proto) in their JSON form: an
// object with a list `nodes`. Keys in protobuf's JSON spelling or in the schema's own.
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {
namespace {

using Json = nlohmann::json;

class Node {
  public:
    Node(const Json& json, std::size_t index, const std::string& file)
        : json_(json), index_(index), file_(file) {
        if (!json.is_object()) fail("", "expected an object");
    }

    [[nodiscard]] std::string text(const char* key) const {
        const auto found = json_.find(key);
        return found != json_.end() && found->is_string() ? found->get<std::string>() : "";
    }

    /// Microseconds under either spelling; protobuf writes 64-bit integers as texts. 0 when absent.
    [[nodiscard]] double microseconds(const char* camel, const char* snake) const {
        for (const char* key : {camel, snake}) {
            const auto found = json_.find(key);
            if (found == json_.end()) continue;
            double value = -1;
            if (found->is_number()) value = found->get<double>();
            if (found->is_string()) {
                const auto words = found->get<std::string>();
                char* end = nullptr;
                value = std::strtod(words.c_str(), &end);
                if (end == words.c_str() || *end != '\0') value = -1;
            }
            if (!std::isfinite(value) || value < 0 || value > 1e15)
                fail(key, "expected a number of microseconds");
            return value;
        }
        return 0;
    }

    /// An integer attribute, or -1.
    [[nodiscard]] std::int64_t attribute(const char* name) const {
        const auto list = json_.find("attr");
        if (list == json_.end() || !list->is_array()) return -1;
        for (const Json& each : *list) {
            if (!each.is_object() || each.value("name", Json()) != name) continue;
            for (const char* key :
                 {"int64Val", "int64_val", "int32Val", "int32_val", "uint64Val", "uint64_val"}) {
                const auto value = each.find(key);
                if (value == each.end()) continue;
                if (value->is_number_integer()) return value->get<std::int64_t>();
                if (value->is_string()) return std::strtoll(value->get<std::string>().c_str(), nullptr, 10);
            }
        }
        return -1;
    }

    [[noreturn]] void fail(const std::string& key, const std::string& message) const {
        throw InputError({file_, 0, 0},
                         "nodes[" + std::to_string(index_) + "]" + (key.empty() ? "" : "." + key), message);
    }

  private:
    const Json& json_;
    std::size_t index_;
    const std::string& file_;
};

/// CollectiveCommType of et_def.proto, in its order.
RunFamily collective_of(std::int64_t type) {
    using enum RunFamily;
    constexpr std::array kTypes{all_reduce,       other_collective, all_gather, other_collective,
                                other_collective, broadcast,        all_to_all, reduce_scatter,
                                other_collective, other_collective};
    return type >= 0 && type < static_cast<std::int64_t>(kTypes.size())
               ? kTypes[static_cast<std::size_t>(type)]
               : other_collective;
}

/// NodeType by name; nothing for metadata and host work.
bool is_device_work(const std::string& type, const Node& node, RunFamily& family) {
    if (type == "COMP_NODE") {
        const std::string name = node.text("name");
        family = family_of(name);
        return true;
    }
    if (type == "COMM_COLL_NODE") {
        family = collective_of(node.attribute("comm_type"));
        return true;
    }
    if (type == "COMM_SEND_NODE" || type == "COMM_RECV_NODE") {
        family = RunFamily::send_recv;
        return true;
    }
    return false;
}

}  // namespace

MeasuredRun parse_chakra(std::string_view json, const std::string& file) {
    Json whole;
    try {
        whole = Json::parse(json);
    } catch (const Json::exception& error) {
        throw InputError({file, 0, 0}, "", std::string("is no whole JSON file: ") + error.what());
    }
    if (!whole.is_object() || !whole.contains("nodes") || !whole["nodes"].is_array()) {
        throw InputError({file, 0, 0}, "nodes", "expected a list of nodes, as Chakra's JSON has it");
    }
    MeasuredRun run;
    run.source = file;
    run.format = "chakra";
    std::map<std::string, std::int32_t> names;
    double next_us = 0;
    std::size_t index = 0;
    for (const Json& each : whole["nodes"]) {
        const Node node(each, index++, file);
        MeasuredTask task;
        const double duration = node.microseconds("durationMicros", "duration_micros");
        if (!is_device_work(node.text("type"), node, task.family) || duration <= 0) continue;
        const double stated = node.microseconds("startTimeMicros", "start_time_micros");
        const double start = stated > 0 ? stated : next_us;  // without stamps: one after the other
        next_us = start + duration;
        const auto [found, added] =
            names.emplace(node.text("name"), static_cast<std::int32_t>(run.names.size()));
        if (added) run.names.push_back(node.text("name"));
        task.name = found->second;
        task.stream = communicates(task.family) ? 1 : 0;
        task.start_s = start * 1e-6;
        task.end_s = next_us * 1e-6;
        run.tasks.push_back(task);
    }
    complete(run);
    return run;
}

}  // namespace orrery::profiler
