#include "sim/engine/collective_steps/collective_messages.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "core/error.hpp"
#include "core/nearest_name.hpp"

namespace orrery::sim {
namespace {

struct MessageAlgorithm {
    std::string_view name;
    Messages (*make)(const CollectiveRequest& request, const MemberPlaces& places);
};

constexpr std::array kAlgorithms{
    MessageAlgorithm{"ring", ring_messages},
    MessageAlgorithm{"tree", tree_messages},
    MessageAlgorithm{"halving-doubling", halving_doubling_messages},
    MessageAlgorithm{"direct", direct_messages},
    MessageAlgorithm{"pairwise", pairwise_messages},
    MessageAlgorithm{"dissemination", dissemination_messages},
    MessageAlgorithm{"bruck", bruck_messages},
    MessageAlgorithm{"hierarchical", hierarchical_messages},
    MessageAlgorithm{"relay", relay_messages},
    MessageAlgorithm{"nvls", nvls_messages},
    MessageAlgorithm{"nvls-tree", nvls_tree_messages},
    MessageAlgorithm{"sharp", sharp_messages},
};

/// Numbers 0, 1, 2, ... for ids in order of first appearance.
class Dense {
  public:
    std::uint32_t of(int id) {
        return known.try_emplace(id, static_cast<std::uint32_t>(known.size())).first->second;
    }

  private:
    std::map<int, std::uint32_t> known;
};

std::vector<std::uint32_t> iota(std::uint32_t n) {
    std::vector<std::uint32_t> all(n);
    for (std::uint32_t i = 0; i < n; ++i) all[i] = i;
    return all;
}

}  // namespace

std::vector<std::vector<std::uint32_t>> MemberPlaces::by_node() const {
    std::vector<std::vector<std::uint32_t>> nodes;
    for (std::uint32_t i = 0; i < members(); ++i) {
        if (node[i] >= nodes.size()) nodes.resize(node[i] + 1);
        nodes[node[i]].push_back(i);
    }
    return nodes;
}

std::vector<std::vector<std::uint32_t>> MemberPlaces::grid() const {
    auto nodes = by_node();
    const bool equal = std::ranges::all_of(nodes, [&](const auto& n) { return n.size() == nodes[0].size(); });
    if (nodes.size() < 2 || nodes[0].size() < 2 || !equal) return {};
    return nodes;
}

MemberPlaces MemberPlaces::on_one_node(std::uint32_t n) {
    return on_nodes(1, n);
}

MemberPlaces MemberPlaces::on_nodes(std::uint32_t nodes, std::uint32_t each) {
    MemberPlaces places;
    for (std::uint32_t i = 0; i < nodes * each; ++i) places.node.push_back(i / each);
    places.leaf.assign(places.node.size(), 0);
    places.rings = {iota(places.members())};
    return places;
}

MemberPlaces member_places(std::span<const std::uint32_t> devices, const topologies::Cluster& cluster,
                           const Network& network) {
    MemberPlaces places;
    Dense nodes;
    Dense leaves;
    const int per_leaf = cluster.fabric.nodes_per_leaf;
    std::map<std::uint32_t, std::uint32_t> position;
    for (const std::uint32_t device : devices) {
        const int node = cluster.node_of(device);
        places.node.push_back(nodes.of(node));
        places.leaf.push_back(leaves.of(per_leaf > 0 ? node / per_leaf : 0));
        position.emplace(device, static_cast<std::uint32_t>(position.size()));
    }
    for (const auto& ring : network.rings({devices.begin(), devices.end()})) {
        std::vector<std::uint32_t>& order = places.rings.emplace_back();
        for (const std::uint32_t device : ring) order.push_back(position.at(device));
    }
    return places;
}

MessageListBuilder equal_blocks(const CollectiveRequest& request, const MemberPlaces& places,
                                std::uint32_t blocks) {
    return {places.members(), blocks, {request.bytes / blocks}, request.keep_payload};
}

MessageListBuilder exchange_blocks(const CollectiveRequest& request, const MemberPlaces& places) {
    const std::uint32_t n = places.members();
    std::vector<double> bytes{request.bytes / n};
    if (request.matrix != nullptr) bytes = request.matrix->bytes;
    return {n, n * n, std::move(bytes), request.keep_payload};
}

std::string_view plain_algorithm(CollectiveKind kind) {
    switch (kind) {
        case CollectiveKind::all_to_all:
        case CollectiveKind::all_to_all_v:
        case CollectiveKind::gather:
        case CollectiveKind::scatter:
        case CollectiveKind::send_recv:
            return "direct";
        case CollectiveKind::barrier:
            return "dissemination";
        default:
            return "ring";
    }
}

std::string simgrid_algorithm(CollectiveKind kind, const ForcedCollectives& forced) {
    const ForcedCollective& choice = forced_for(forced, kind);
    if (!choice.algorithm.empty()) return choice.algorithm;
    const bool exchange = kind == CollectiveKind::all_to_all || kind == CollectiveKind::all_to_all_v;
    return std::string(exchange ? "pairwise" : plain_algorithm(kind));
}

MessageList collective_messages(const CollectiveRequest& request, const MemberPlaces& places,
                                std::string_view algorithm) {
    if (request.kind == CollectiveKind::send_recv && places.members() != 2)
        throw SimulationError("send-recv takes a group of 2, not of " + std::to_string(places.members()));
    if (request.kind == CollectiveKind::all_to_all_v &&
        (request.matrix == nullptr || request.matrix->members != places.members()))
        throw SimulationError("an all-to-all-v without a matrix of its members");
    const std::string_view name = algorithm.empty() ? plain_algorithm(request.kind) : algorithm;
    const auto* found = std::ranges::find(kAlgorithms, name, &MessageAlgorithm::name);
    if (found == kAlgorithms.end())
        throw InputError({}, "algorithm",
                         unknown_name("algorithm", std::string(name), message_algorithm_names()));
    if (places.members() < 2) {
        MessageList none;
        none.members = places.members();
        none.unlock_begin = {0};
        return none;
    }
    Messages messages = found->make(request, places);
    if (!messages)
        throw InputError(
            {}, "algorithm",
            std::string(name) + " does not do " + std::string(to_string(request.kind)) + " on this group");
    return std::move(*messages);
}

std::vector<std::string> message_algorithm_names() {
    std::vector<std::string> names;
    for (const MessageAlgorithm& algorithm : kAlgorithms) names.emplace_back(algorithm.name);
    return names;
}

}  // namespace orrery::sim
