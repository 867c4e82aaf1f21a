// orrery list KIND: what exists, one a line, with a word about each.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/list.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "models/parameters.hpp"
#include "models/software.hpp"
#include "models/zoo.hpp"
#include "schedules/schedule.hpp"
#include "sim/cost/calibration.hpp"
#include "study/experiment.hpp"
#include "topologies/cluster.hpp"
#include "topologies/zoo_clusters.hpp"

namespace orrery::cli {
namespace {

using Item = ListedItem;

std::vector<Item> models() {
    std::vector<Item> items;
    for (const std::string& name : models::transformer_names()) {
        const models::TransformerShape shape = models::load_transformer(name);
        const models::ParameterCount count = models::count_parameters(shape);
        std::string summary = fmt::format("{:>7.1f} B  ", static_cast<double>(count.total()) / 1e9);
        for (const models::TransformerShape& tower : shape.towers)
            summary += fmt::format("{} {} x {}, ", tower.name, tower.layers, tower.hidden);
        if (shape.layers == 0) {
            items.push_back({name, summary + "contrastive"});
            continue;
        }
        summary += fmt::format("{} layers, hidden {}, ", count.layers, shape.hidden);
        if (count.experts > 0) {
            summary += fmt::format("{} experts, {:.3g} B active", count.experts,
                                   static_cast<double>(count.active()) / 1e9);
        } else {
            summary += fmt::format("{} heads", shape.heads);
        }
        items.push_back({name, summary});
    }
    return items;
}

std::vector<Item> clusters() {
    std::vector<Item> items;
    for (const std::string& name : topologies::cluster_names())
        items.push_back({name, topologies::load_zoo_cluster(name).summary});
    for (const std::string& name : topologies::node_names()) {
        const topologies::Node node = topologies::load_node(name);
        std::string summary = fmt::format("{} x {}", node.gpus, node.gpu.name);
        if (node.nics > 0)
            summary += fmt::format(", {} x {:.0f} Gbit/s", node.nics, node.nic_bandwidth * 8e-9);
        items.push_back({name, summary});
    }
    return items;
}

std::vector<Item> schedules() {
    std::vector<Item> items;
    for (const schedules::ScheduleEntry& entry : schedules::registry()) {
        items.push_back({std::string(entry.name), std::string(entry.summary)});
    }
    return items;
}

std::vector<Item> strategies() {
    std::vector<Item> items;
    for (const study::NamedScheme& scheme : study::sharding_schemes()) {
        items.push_back({std::string(scheme.name), std::string(scheme.summary)});
    }
    return items;
}

std::vector<Item> calibrations() {
    std::vector<Item> items;
    for (const std::string& name : sim::calibration_names()) {
        items.push_back({name, "for " + sim::load_calibration(name).gpu});
    }
    return items;
}

std::vector<Item> software() {
    std::vector<Item> items;
    for (const std::string& name : models::software_names()) {
        items.push_back({name, models::load_software(name).description});
    }
    return items;
}

/// None is registered in this version.
std::vector<Item> planners() {
    return {};
}

struct Kind {
    std::string name;
    std::vector<Item> (*items)();
};

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all = {
        {"models", models},         {"clusters", clusters}, {"schedules", schedules},
        {"strategies", strategies}, {"planners", planners}, {"calibrations", calibrations},
        {"software", software},
    };
    return all;
}

const Kind& kind_of(const std::string& name) {
    std::vector<std::string> names;
    for (const Kind& kind : kinds()) {
        if (kind.name == name) return kind;
        names.push_back(kind.name);
    }
    throw InputError({}, "", unknown_name("kind", name, names));
}

void print_table(const std::vector<Item>& items) {
    std::size_t width = 0;
    for (const Item& item : items) width = std::max(width, item.name.size());
    for (const Item& item : items) {
        if (item.summary.empty()) {
            fmt::print("{}\n", item.name);
        } else {
            fmt::print("{:<{}}  {}\n", item.name, width, item.summary);
        }
    }
}

int list(const std::string& name, bool json) {
    const Kind& kind = kind_of(name);
    const std::vector<Item> items = kind.items();
    if (!json) {
        print_table(items);
        return kDone;
    }
    nlohmann::ordered_json object = {{kind.name, nlohmann::ordered_json::array()}};
    for (const Item& item : items)
        object[kind.name].push_back({{"name", item.name}, {"summary", item.summary}});
    print_json(object);
    return kDone;
}

}  // namespace

std::vector<std::string> list_kinds() {
    std::vector<std::string> names;
    for (const Kind& kind : kinds()) names.push_back(kind.name);
    return names;
}

std::vector<ListedItem> list_items(const std::string& kind) {
    return kind_of(kind).items();
}

Command add_list(CLI::App& app) {
    struct Options {
        std::string kind;
        bool json = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("list", "What exists: models, clusters, schedules, ...");
    command->add_option("kind", options->kind, fmt::format("One of {}", fmt::join(list_kinds(), ", ")))
        ->required();
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return list(options->kind, options->json); }};
}

}  // namespace orrery::cli
