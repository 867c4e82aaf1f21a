// orrery list KIND: what exists, one a line, with a word about each.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/data_path.hpp"
#include "core/nearest_name.hpp"

namespace orrery::cli {
namespace {

struct Item {
    std::string name;
    std::string summary;
};

std::vector<Item> files_in(std::string_view folder) {
    std::vector<Item> items;
    for (const std::string& name : data_names(folder)) items.push_back({name, ""});
    return items;
}

struct Kind {
    std::string name;
    std::vector<Item> (*items)();
};

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all = {
        {"models", [] { return files_in("models/zoo"); }},
        {"clusters", [] { return files_in("topologies/zoo"); }},
        {"calibrations", [] { return files_in("calibrations"); }},
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

Command add_list(CLI::App& app) {
    struct Options {
        std::string kind;
        bool json = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("list", "What exists: models, clusters, schedules, ...");
    std::vector<std::string> names;
    for (const Kind& kind : kinds()) names.push_back(kind.name);
    command->add_option("kind", options->kind, fmt::format("One of {}", fmt::join(names, ", ")))->required();
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return list(options->kind, options->json); }};
}

}  // namespace orrery::cli
