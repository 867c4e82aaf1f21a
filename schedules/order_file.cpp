#include "schedules/order_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "core/atomic_file.hpp"
#include "core/nearest_name.hpp"
#include "core/yaml.hpp"
#include "schedules/order_text.hpp"

namespace orrery::schedules {
namespace {

constexpr std::size_t kLargestFile = std::size_t{64} << 20;

std::string stem(const std::string& file) {
    const std::string name = std::filesystem::path(file).stem().string();
    return name.empty() ? "order" : name;
}

/// The blank-separated cells of a text; a unit in parentheses may contain blanks.
void add_cells(OrderBuilder& builder, const yaml::Node& node) {
    if (node.kind != yaml::Kind::scalar)
        throw InputError(node.where(), "orders",
                         fmt::format("expected a text such as '0F0 0B0', not {}", yaml::describe(node.kind)));
    const std::string_view text = node.text;
    std::size_t begin = 0;
    bool inside = false;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const bool blank = i == text.size() || std::isspace(static_cast<unsigned char>(text[i])) != 0;
        if (i < text.size() && text[i] == '(') inside = true;
        if (i < text.size() && text[i] == ')') inside = false;
        if (!blank || (inside && i < text.size())) continue;
        builder.add(text.substr(begin, i - begin), node.line, node.column + begin);
        begin = i + 1;
    }
}

const yaml::Node* scalar(const yaml::Node& map, std::string_view key) {
    const yaml::Node* node = map.find(key);
    if (node != nullptr && node->kind != yaml::Kind::scalar)
        throw InputError(node->where(), std::string(key), "expected a single value");
    return node;
}

double read_copies(const yaml::Node& node) {
    try {
        std::size_t used = 0;
        const double copies = std::stod(node.text, &used);
        if (used == node.text.size() && copies >= 1 && copies <= 1e6) return copies;
    } catch (const std::exception&) {
        // Not a number at all: the same message as for one out of range.
    }
    throw InputError(node.where(), "weight_copies", "expected a number of at least 1");
}

bool read_flag(const yaml::Node& node) {
    if (node.text == "true") return true;
    if (node.text == "false") return false;
    throw InputError(node.where(), "synchronous", "expected true or false");
}

std::vector<int> read_integers(const yaml::Node& list, const std::string& key, int below) {
    if (list.kind != yaml::Kind::sequence) throw InputError(list.where(), key, "expected a list of integers");
    std::vector<int> values;
    for (const yaml::Node& node : list.children) {
        int value = -1;
        const char* const end = node.text.data() + node.text.size();
        const auto [rest, error] = std::from_chars(node.text.data(), end, value);
        if (node.kind != yaml::Kind::scalar || error != std::errc() || rest != end || value < 0 ||
            value >= below)
            throw InputError(node.where(), key, fmt::format("expected an integer from 0 to {}", below - 1));
        values.push_back(value);
    }
    return values;
}

void require_length(const yaml::Node& list, const std::string& key, int length) {
    if (list.kind != yaml::Kind::sequence || list.children.size() != static_cast<std::size_t>(length))
        throw InputError(list.where(), key, fmt::format("expected a list of {} entries", length));
}

void read_partners(const yaml::Node& list, Schedule& schedule) {
    require_length(list, "eviction_partner", schedule.devices);
    schedule.eviction_partner = read_integers(list, "eviction_partner", schedule.devices);
}

void read_stage_inputs(const yaml::Node& list, Schedule& schedule) {
    require_length(list, "stage_inputs", schedule.stages());
    for (const yaml::Node& inputs : list.children)
        schedule.stage_inputs.push_back(
            read_integers(inputs, "stage_inputs", static_cast<int>(schedule.stage_inputs.size())));
}

/// One number from 0 to `most` per stage.
void read_shares(const yaml::Node& root, const std::string& key, double most, const Schedule& schedule,
                 std::vector<double>& shares) {
    const yaml::Node* const list = root.find(key);
    if (list == nullptr) return;
    require_length(*list, key, schedule.stages());
    for (const yaml::Node& node : list->children) {
        double value = -1;
        const char* const end = node.text.data() + node.text.size();
        const auto [rest, error] = std::from_chars(node.text.data(), end, value);
        if (node.kind != yaml::Kind::scalar || error != std::errc() || rest != end ||
            !(value >= 0 && value <= most))
            throw InputError(node.where(), key, fmt::format("expected a number from 0 to {}", most));
        shares.push_back(value);
    }
}

std::string cell(const std::vector<Action>& order, std::size_t& i) {
    const std::int32_t unit = order[i].overlap;
    if (unit < 0) return order_text(order[i++]);
    std::string text = "(";
    for (const std::size_t first = i; i < order.size() && order[i].overlap == unit; ++i)
        text += (i > first ? ";" : "") + order_text(order[i]);
    return text + ")";
}

}  // namespace

Schedule read_order_csv(std::string_view text, const std::string& file) {
    OrderBuilder builder(file);
    std::size_t line = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view row = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        ++line;
        if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        builder.next_device();
        std::size_t column = 1;
        while (true) {
            const auto comma = row.find(',');
            builder.add(row.substr(0, comma), line, column);
            if (comma == std::string_view::npos) break;
            row.remove_prefix(comma + 1);
            column += comma + 1;
        }
    }
    return builder.finish(stem(file));
}

Schedule read_order_yaml(std::string_view text, const std::string& file) {
    const yaml::Node root = yaml::parse(text, file, {.bytes = kLargestFile});
    if (root.kind != yaml::Kind::map)
        throw InputError(
            root.where(), "",
            fmt::format("expected a map with the key orders, not {}", yaml::describe(root.kind)));
    static const std::vector<std::string> kKeys = {"schedule",    "orders",           "weight_copies",
                                                   "synchronous", "eviction_partner", "stage_inputs",
                                                   "stage_work",  "stage_recomputed", "stage_evicted"};
    for (const yaml::Node& child : root.children)
        if (std::find(kKeys.begin(), kKeys.end(), child.key) == kKeys.end())
            throw InputError(child.key_where(), "", unknown_name("key", child.key, kKeys));
    const yaml::Node* orders = root.find("orders");
    if (orders == nullptr || orders->kind != yaml::Kind::sequence)
        throw InputError(orders == nullptr ? root.where() : orders->where(), "orders",
                         "expected a list with one text per device");
    OrderBuilder builder(file);
    for (const yaml::Node& device : orders->children) {
        builder.next_device();
        if (device.kind == yaml::Kind::sequence)
            for (const yaml::Node& part : device.children) add_cells(builder, part);
        else
            add_cells(builder, device);
    }
    const yaml::Node* name = scalar(root, "schedule");
    Schedule schedule = builder.finish(name != nullptr ? name->text : stem(file));
    if (const yaml::Node* copies = scalar(root, "weight_copies"))
        schedule.weight_copies = read_copies(*copies);
    if (const yaml::Node* flag = scalar(root, "synchronous")) schedule.synchronous = read_flag(*flag);
    if (const yaml::Node* partners = root.find("eviction_partner")) read_partners(*partners, schedule);
    if (const yaml::Node* inputs = root.find("stage_inputs")) read_stage_inputs(*inputs, schedule);
    constexpr double kMostWork = 1e6;
    read_shares(root, "stage_work", kMostWork, schedule, schedule.stage_work);
    read_shares(root, "stage_recomputed", 1, schedule, schedule.stage_recomputed);
    read_shares(root, "stage_evicted", 1, schedule, schedule.stage_evicted);
    return schedule;
}

Schedule read_order(const std::filesystem::path& path) {
    const std::string text = read_file(path, kLargestFile);
    const std::string extension = path.extension().string();
    if (extension == ".csv") return read_order_csv(text, path.string());
    if (extension == ".yaml" || extension == ".yml") return read_order_yaml(text, path.string());
    throw InputError({path.string()}, "", "an order file ends in .csv, .yaml or .yml");
}

std::string write_order_csv(const Schedule& schedule) {
    std::string text;
    for (const auto& order : schedule.orders) {
        for (std::size_t i = 0; i < order.size();) {
            const Action& action = order[i];
            if (action.slice > 0 || action.direction > 0 || action.kind > ActionKind::backward_weight)
                throw InputError(
                    {}, schedule.name,
                    fmt::format("{} cannot be said in PyTorch's CSV; write YAML", order_text(action)));
            if (i > 0) text += ",";
            const bool unit = action.overlap >= 0;
            text += cell(order, i);
            if (unit) text += "OVERLAP_F_B";
        }
        text += "\n";
    }
    return text;
}

std::string write_order_yaml(const Schedule& schedule) {
    std::string text = fmt::format("schedule: {}\n", schedule.name);
    if (schedule.weight_copies != 1) text += fmt::format("weight_copies: {}\n", schedule.weight_copies);
    if (!schedule.synchronous) text += "synchronous: false\n";
    if (!schedule.eviction_partner.empty())
        text += fmt::format("eviction_partner: [{}]\n", fmt::join(schedule.eviction_partner, ", "));
    if (!schedule.stage_inputs.empty()) text += "stage_inputs:\n";
    for (const auto& inputs : schedule.stage_inputs)
        text += fmt::format("  - [{}]\n", fmt::join(inputs, ", "));
    const auto write_shares = [&](const char* key, const std::vector<double>& shares) {
        if (!shares.empty()) text += fmt::format("{}: [{}]\n", key, fmt::join(shares, ", "));
    };
    write_shares("stage_work", schedule.stage_work);
    write_shares("stage_recomputed", schedule.stage_recomputed);
    write_shares("stage_evicted", schedule.stage_evicted);
    text += "orders:\n";
    for (const auto& order : schedule.orders) {
        text += "  - \"";
        for (std::size_t i = 0; i < order.size();) {
            if (i > 0) text += " ";
            text += cell(order, i);
        }
        text += "\"\n";
    }
    return text;
}

}  // namespace orrery::schedules
