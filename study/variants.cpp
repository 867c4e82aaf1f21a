#include "study/variants.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "core/data_path.hpp"
#include "study/document.hpp"
#include "study/read_experiment.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kMostVariants = 4096;

/// The keys of one experiment and their values, as the file writes them.
using Settings = std::vector<const yaml::Node*>;

[[noreturn]] void fail(const yaml::Node& node, const std::string& message) {
    throw InputError(node.where(), "vary", message);
}

/// "interleaved-1f1b vpp 2", "64": a value as a name. A map's first value stands for itself.
std::string text_of(const yaml::Node& value) {
    if (value.kind == yaml::Kind::scalar) return value.text;
    std::string text;
    for (const yaml::Node& child : value.children) {
        if (!text.empty()) text += " ";
        if (value.kind == yaml::Kind::map && &child != &value.children.front() && child.key != "variant")
            text += child.key + " ";
        text += text_of(child);
    }
    return text;
}

std::string name_of(const Settings& settings) {
    std::string name;
    for (const yaml::Node* value : settings) {
        if (value->key == "name") return text_of(*value);
        const std::string text = text_of(*value);
        // A bare number says little without its key.
        const bool bare = text.find_first_not_of("0123456789.e+-") == std::string::npos;
        name += (name.empty() ? "" : ", ") + (bare ? value->key + " " + text : text);
    }
    return name;
}

std::vector<Settings> combinations(const yaml::Node& grid) {
    std::vector<Settings> all{{}};
    for (const yaml::Node& values : grid.children) {
        if (values.kind != yaml::Kind::sequence || values.children.empty())
            fail(values, fmt::format("expected a list of values for {}, got {}", values.key,
                                     yaml::describe(values.kind)));
        std::vector<Settings> more;
        for (const Settings& settings : all)
            for (const yaml::Node& value : values.children) {
                more.push_back(settings);
                more.back().push_back(&value);
            }
        all = std::move(more);
        if (all.size() > kMostVariants) fail(grid, fmt::format("more than {} combinations", kMostVariants));
    }
    return all;
}

/// The grids of a list, one after the other.
std::vector<Settings> listed(const yaml::Node& list) {
    std::vector<Settings> all;
    for (const yaml::Node& entry : list.children) {
        if (entry.kind != yaml::Kind::map || entry.children.empty())
            fail(entry, fmt::format("expected a map from keys to lists, got {}", yaml::describe(entry.kind)));
        for (Settings& settings : combinations(entry)) all.push_back(std::move(settings));
    }
    return all;
}

/// Values of a grid stand in lists, without their key.
yaml::Node with_keys(yaml::Node vary) {
    for (yaml::Node& child : vary.children) {
        if (vary.kind == yaml::Kind::sequence && child.kind == yaml::Kind::map) child = with_keys(child);
        if (vary.kind != yaml::Kind::map) continue;
        for (yaml::Node& value : child.children) value.key = child.key;
    }
    return vary;
}

yaml::Node take_vary(yaml::Node& document) {
    for (std::size_t i = 0; i < document.children.size(); ++i) {
        if (document.children[i].key != "vary") continue;
        yaml::Node vary = std::move(document.children[i]);
        document.children.erase(document.children.begin() + static_cast<std::ptrdiff_t>(i));
        return vary;
    }
    throw InputError(document.where(), "vary", "is missing: expected what differs between the experiments");
}

Variant read_variant(yaml::Node document, const Settings& settings, std::span<const std::string> overrides) {
    Variant variant;
    variant.name = name_of(settings);
    try {
        for (const yaml::Node* value : settings) {
            // The options of one schedule mean nothing to another.
            if (value->key == "schedule") lay_over(document, "schedule", yaml::Node{}, value->where());
            lay_over(document, value->key, *value, value->where());
        }
        variant.experiment = read_experiment(std::move(document), overrides);
        variant.experiment->name = variant.name;
    } catch (const InputError& error) {
        variant.refused = (error.key.empty() ? "" : error.key + ": ") + error.message;
    }
    return variant;
}

std::vector<Variant> read_variants(yaml::Node document, std::span<const std::string> overrides) {
    document = follow_bases(std::move(document));
    const yaml::Node vary = with_keys(take_vary(document));
    const bool list = vary.kind == yaml::Kind::sequence;
    if ((!list && vary.kind != yaml::Kind::map) || vary.children.empty())
        fail(vary, "expected a map from keys to lists of values, or a list of maps");
    std::vector<Variant> variants;
    const std::vector<Settings> all = list ? listed(vary) : combinations(vary);
    for (const Settings& settings : all) variants.push_back(read_variant(document, settings, overrides));
    for (const Variant& variant : variants)
        if (variant.experiment) return variants;
    // Nothing is left to compare: say what is wrong with the first, and where.
    yaml::Node first = document;
    for (const yaml::Node* value : all.front()) lay_over(first, value->key, *value, value->where());
    read_experiment(std::move(first), overrides);
    return variants;
}

}  // namespace

bool describes_several(const std::string& name_or_path) {
    return follow_bases(yaml::read(data_file("configs", name_or_path, "experiment"))).find("vary") != nullptr;
}

std::vector<Variant> load_variants(const std::string& name_or_path, std::span<const std::string> overrides) {
    return read_variants(yaml::read(data_file("configs", name_or_path, "experiment")), overrides);
}

std::vector<Variant> parse_variants(std::string_view yaml_text, const std::string& file,
                                    std::span<const std::string> overrides) {
    return read_variants(yaml::parse(yaml_text, file), overrides);
}

}  // namespace orrery::study
