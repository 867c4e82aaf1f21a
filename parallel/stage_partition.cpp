#include "parallel/stage_partition.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace orrery::parallel {
namespace {

/// Blocks of each stage. Those that even division lacks come off the ends in turn, the last stage first.
std::vector<int> even_shares(int blocks, int stages) {
    std::vector<int> share(static_cast<std::size_t>(stages), (blocks + stages - 1) / stages);
    int first = 0;
    int last = stages - 1;
    for (int missing = share[0] * stages - blocks; missing > 0; --missing) {
        const bool from_the_end = (stages - 1 - last) <= first;
        --share[static_cast<std::size_t>(from_the_end ? last-- : first++)];
    }
    return share;
}

/// The stage of the first block behind the node.
std::vector<int>& stage_of(std::vector<std::vector<int>>& held, int node) {
    return *std::ranges::find_if(
        held, [node](const std::vector<int>& stage) { return !stage.empty() && stage.back() > node; });
}

std::vector<int> blocks_of(const models::Model& model) {
    std::vector<int> blocks;
    for (int node = 0; node < static_cast<int>(model.nodes.size()); ++node) {
        if (model.layer(node).kind == models::LayerKind::block) blocks.push_back(node);
    }
    return blocks;
}

}  // namespace

std::vector<std::vector<int>> partition(const models::Model& model, int stages) {
    return partition(model, even_shares(static_cast<int>(blocks_of(model).size()), stages));
}

std::vector<std::vector<int>> partition(const models::Model& model, std::span<const int> blocks) {
    const std::vector<int> all = blocks_of(model);
    std::vector<std::vector<int>> held;
    auto next = all.begin();
    for (const int share : blocks) {
        if (share < 0 || share > all.end() - next) break;
        held.emplace_back(next, next + share);
        next += share;
    }
    if (held.size() != blocks.size() || held.empty() || next != all.end())
        throw ExperimentError("the layers of the stages do not add up to the model's " +
                              std::to_string(all.size()));
    // What is no block stands with the block after it; what follows the last block stands with that.
    const int last = all.empty() ? 0 : all.back();
    for (int node = static_cast<int>(model.nodes.size()) - 1; node >= 0; --node) {
        if (model.layer(node).kind == models::LayerKind::block) continue;
        std::vector<int>& stage = node == 0 ? held.front() : node > last ? held.back() : stage_of(held, node);
        stage.insert(std::ranges::upper_bound(stage, node), node);
    }
    return held;
}

}  // namespace orrery::parallel
