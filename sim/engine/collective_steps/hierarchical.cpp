// sim/engine/collective_steps/hierarchical.cpp
//
// Inside the nodes, then between them, for two or more nodes M of equally many members r each.
//   reduce-scatter: a ring in each node, then rings of the members of one index over the nodes; all-gather
//   the
//     reverse; all-reduce: reduce-scatter inside, all-reduce between, all-gather inside (the scheme of
//     BlueConnect, Cho et al. 2019). Between nodes a member sends 2(M - 1)/M of its r-th of the buffer.
//   all-to-all(-v) in two dimensions (Tutel, Hwang et al. 2023, section 3.4): all that is meant for members
//   of
//     index l anywhere goes to the member l of the own node; then everyone exchanges with its index on the
//     other nodes. Messages between nodes are fewer and r times longer.
#include "sim/engine/collective_steps/algorithms.hpp"

namespace orrery::sim {
namespace {

using Grid = std::vector<std::vector<std::uint32_t>>;  // [node][index]
using Parts = std::vector<std::vector<BlockRange>>;

/// What the members of one index on all nodes own.
std::vector<BlockRange> column(const Grid& grid, std::size_t index) {
    std::vector<BlockRange> blocks;
    for (const auto& node : grid) blocks.push_back({node[index]});
    return blocks;
}

void rings(MessageListBuilder& builder, const Grid& grid, std::uint32_t node, std::uint32_t index,
           bool scatter, bool gather) {
    Parts inside;
    Parts between;
    std::vector<std::uint32_t> over_nodes;
    for (std::size_t l = 0; l < grid[node].size(); ++l) inside.push_back(column(grid, l));
    for (const auto& other : grid) {
        between.push_back({{other[index]}});
        over_nodes.push_back(other[index]);
    }
    builder.lane(grid[node][index]);
    if (scatter) {
        ring_pass(builder, grid[node], index, inside, true, 0);
        ring_pass(builder, over_nodes, node, between, true, 1);
    }
    if (gather) {
        ring_pass(builder, over_nodes, node, between, false, 2);
        ring_pass(builder, grid[node], index, inside, false, 3);
    }
}

/// The blocks that go through member (node, by) of those that members `from` have for members `to`.
std::vector<BlockRange> blocks(std::uint32_t n, const std::vector<std::uint32_t>& from,
                               const std::vector<std::uint32_t>& to) {
    std::vector<BlockRange> result;
    for (const std::uint32_t i : from)
        for (const std::uint32_t j : to)
            if (i != j) result.push_back({i * n + j});
    return result;
}

std::vector<std::uint32_t> column_members(const Grid& grid, std::size_t index) {
    std::vector<std::uint32_t> members;
    for (const auto& node : grid) members.push_back(node[index]);
    return members;
}

void exchange(MessageListBuilder& builder, const Grid& grid, std::uint32_t node, std::uint32_t index) {
    const auto r = static_cast<std::uint32_t>(grid[node].size());
    const auto nodes = static_cast<std::uint32_t>(grid.size());
    const std::uint32_t n = r * nodes;
    const std::uint32_t self = grid[node][index];
    builder.lane(self);
    for (std::uint32_t k = 1; k < r; ++k) {
        const std::uint32_t to = (index + k) % r;
        builder.send(grid[node][to], blocks(n, {self}, column_members(grid, to)), 0);
    }
    for (std::uint32_t k = 1; k < r; ++k) builder.receive(grid[node][(index + r - k) % r], 0);
    for (std::uint32_t k = 1; k < nodes; ++k) {
        const std::uint32_t to = grid[(node + k) % nodes][index];
        builder.send(to, blocks(n, grid[node], {to}), 1);
    }
    for (std::uint32_t k = 1; k < nodes; ++k) builder.receive(grid[(node + nodes - k) % nodes][index], 1);
}

}  // namespace

Messages hierarchical_messages(const CollectiveRequest& request, const MemberPlaces& places) {
    using Kind = CollectiveKind;
    const bool both = request.kind == Kind::all_reduce || request.kind == Kind::barrier;
    const bool scatter = both || request.kind == Kind::reduce_scatter;
    const bool gather = both || request.kind == Kind::all_gather;
    const Grid grid = places.grid();
    if (grid.empty() || !(scatter || gather || request.exchange())) return std::nullopt;
    MessageListBuilder builder = request.exchange() ? exchange_blocks(request, places)
                                                    : equal_blocks(request, places, places.members());
    for (std::uint32_t node = 0; node < grid.size(); ++node)
        for (std::uint32_t index = 0; index < grid[node].size(); ++index)
            request.exchange() ? exchange(builder, grid, node, index)
                               : rings(builder, grid, node, index, scatter, gather);
    return builder.finish();
}

}  // namespace orrery::sim
