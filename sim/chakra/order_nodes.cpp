// The order in which a rank's nodes can be issued (Kahn 1962, the earliest in the file first).
#include <fmt/format.h>

#include <functional>
#include <queue>
#include <unordered_map>

#include "core/error.hpp"
#include "sim/chakra/trace_program.hpp"

namespace orrery::sim::chakra {
namespace {

constexpr std::size_t kMostShown = 8;

/// A circle among the nodes that still wait, from anywhere on it.
std::string circle(const std::vector<TraceNode>& nodes, const NodeOrder& found,
                   const std::vector<std::uint32_t>& waits) {
    std::uint32_t at = 0;
    while (waits[at] == 0) ++at;
    const auto waiting_before = [&](std::uint32_t node) {
        for (const std::uint32_t before : found.before[node])
            if (waits[before] != 0) return before;
        return node;
    };
    std::vector<bool> seen(nodes.size(), false);
    for (; !seen[at]; at = waiting_before(at)) seen[at] = true;
    std::string text = fmt::format("node {}", nodes[at].id);
    std::size_t shown = 1;
    for (std::uint32_t next = waiting_before(at); next != at; next = waiting_before(next)) {
        if (++shown > kMostShown) return text + " waits for others, ... and they for it";
        text += fmt::format(" waits for {}, that", nodes[next].id);
    }
    return text + fmt::format(" waits for {}", nodes[at].id);
}

}  // namespace

NodeOrder order_nodes(const std::vector<TraceNode>& nodes, const std::string& file) {
    const auto fail = [&file](std::uint64_t id, const std::string& message) {
        throw InputError({file, 0, 0}, fmt::format("node {}", id), message);
    };
    std::unordered_map<std::uint64_t, std::uint32_t> index;
    index.reserve(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (!index.emplace(nodes[i].id, static_cast<std::uint32_t>(i)).second)
            fail(nodes[i].id, "is there twice");

    NodeOrder found;
    found.before.resize(nodes.size());
    std::vector<std::vector<std::uint32_t>> after(nodes.size());
    std::vector<std::uint32_t> waits(nodes.size(), 0);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        for (const std::uint64_t id : nodes[i].before) {
            const auto before = index.find(id);
            if (before == index.end())
                fail(nodes[i].id, fmt::format("depends on node {}, which is not there", id));
            found.before[i].push_back(before->second);
            after[before->second].push_back(static_cast<std::uint32_t>(i));
            ++waits[i];
        }
    }
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (waits[i] == 0) ready.push(static_cast<std::uint32_t>(i));
    while (!ready.empty()) {
        const std::uint32_t node = ready.top();
        ready.pop();
        found.order.push_back(node);
        for (const std::uint32_t next : after[node])
            if (--waits[next] == 0) ready.push(next);
    }
    if (found.order.size() != nodes.size())
        throw InputError({file, 0, 0}, "",
                         "nodes depend on each other in a circle: " + circle(nodes, found, waits));
    return found;
}

}  // namespace orrery::sim::chakra
