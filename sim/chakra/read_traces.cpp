// A folder of Chakra traces: which files, which groups.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "sim/chakra/chakra.hpp"
#include "sim/chakra/trace_program.hpp"

namespace orrery::sim {
namespace chakra {

TraceGroups parse_groups(const TraceFile& file, std::uint32_t ranks) {
    TraceGroups groups;
    if (file.bytes.empty()) return groups;
    const Location where{file.name, 0, 0};
    const nlohmann::json json = nlohmann::json::parse(file.bytes, nullptr, false);
    if (!json.is_object())
        throw InputError(where, "", R"(expected {"1": [0, 1, ...], ...}: the ranks of each process group)");
    for (const auto& [name, members] : json.items()) {
        std::vector<std::uint32_t>& group = groups[name];
        if (!members.is_array() || members.empty()) throw InputError(where, name, "expected a list of ranks");
        std::set<std::uint32_t> seen;
        for (const nlohmann::json& member : members) {
            if (!member.is_number_unsigned() || member.get<std::uint64_t>() >= ranks)
                throw InputError(
                    where, name,
                    fmt::format("{} is none of the {} ranks that have a trace", member.dump(), ranks));
            group.push_back(member.get<std::uint32_t>());
            if (!seen.insert(group.back()).second)
                throw InputError(where, name, fmt::format("rank {} is there twice", group.back()));
        }
    }
    return groups;
}

namespace {

constexpr std::size_t kMostTraceBytes = std::size_t{4} << 30;
constexpr std::size_t kMostGroupBytes = std::size_t{64} << 20;

/// "trace.12.et": {"trace", 12}. Nothing for other names.
std::optional<std::pair<std::string, std::uint32_t>> name_and_rank(const std::string& file) {
    if (!file.ends_with(".et")) return std::nullopt;
    const std::string stem = file.substr(0, file.size() - 3);
    const std::size_t dot = stem.rfind('.');
    if (dot == std::string::npos) return std::nullopt;
    std::uint32_t rank = 0;
    const char* const end = stem.data() + stem.size();
    const auto [rest, error] = std::from_chars(stem.data() + dot + 1, end, rank);
    if (error != std::errc() || rest != end) return std::nullopt;
    return std::pair(stem.substr(0, dot), rank);
}

/// The folder's traces by rank. Throws unless they are ranks 0, 1, ... of one name.
std::vector<std::filesystem::path> files_by_rank(const std::filesystem::path& folder) {
    const Location where{folder.string(), 0, 0};
    std::error_code error;
    std::map<std::uint32_t, std::filesystem::path> files;
    std::optional<std::string> name;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const auto found = name_and_rank(entry.path().filename().string());
        if (!found) continue;
        if (name && *name != found->first)
            throw InputError(where, "",
                             fmt::format("holds traces of two names, {} and {}", *name, found->first));
        name = found->first;
        files[found->second] = entry.path();
    }
    if (error) throw InputError(where, "", "cannot be read: " + error.message());
    if (files.empty()) throw InputError(where, "", "holds no Chakra traces (NAME.RANK.et)");
    std::vector<std::filesystem::path> ordered;
    for (const auto& [rank, file] : files) {
        if (rank != ordered.size())
            throw InputError(where, "",
                             fmt::format("{}.{}.et is missing, {} is there", *name, ordered.size(),
                                         file.filename().string()));
        ordered.push_back(file);
    }
    return ordered;
}

}  // namespace
}  // namespace chakra

TracedProgram parse_chakra_traces(const std::vector<TraceFile>& traces, const TraceFile& groups) {
    std::vector<std::vector<chakra::TraceNode>> nodes;
    std::vector<std::string> files;
    for (const TraceFile& trace : traces) {
        nodes.push_back(chakra::parse_nodes(trace, static_cast<std::uint32_t>(nodes.size())));
        files.push_back(trace.name);
    }
    const auto ranks = static_cast<std::uint32_t>(traces.size());
    return chakra::make_program(nodes, chakra::parse_groups(groups, ranks), files);
}

TracedProgram read_chakra(const std::filesystem::path& folder) {
    const std::vector<std::filesystem::path> paths = chakra::files_by_rank(folder);
    std::vector<std::vector<chakra::TraceNode>> nodes;
    std::vector<std::string> files;
    for (const std::filesystem::path& path : paths) {
        const TraceFile trace{path.string(), read_file(path, chakra::kMostTraceBytes)};
        nodes.push_back(chakra::parse_nodes(trace, static_cast<std::uint32_t>(nodes.size())));
        files.push_back(path.string());
    }
    TraceFile groups{(folder / "comm_groups.json").string(), ""};
    if (std::filesystem::exists(groups.name)) groups.bytes = read_file(groups.name, chakra::kMostGroupBytes);
    const auto ranks = static_cast<std::uint32_t>(nodes.size());
    return chakra::make_program(nodes, chakra::parse_groups(groups, ranks), files);
}

}  // namespace orrery::sim
