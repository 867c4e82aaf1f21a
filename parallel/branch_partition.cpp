#include "parallel/branch_partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/error.hpp"
#include "parallel/balanced_cut.hpp"

namespace orrery::parallel {
namespace {

using models::LayerKind;
using models::Model;

/// A block with what stands by it.
struct Piece {
    std::vector<int> nodes;
    double work = 0;
    int branch = 0;
};

double work_of(const Model& model, int node) {
    const models::Layer& layer = model.layer(node);
    double flops = 0;
    for (const models::Operator& op : layer.operators)
        flops += models::forward_flops(op, layer.tokens_of(model.shape.seq_length), false);
    return flops;
}

/// Stands with the block behind it, not the one before.
bool leads(LayerKind kind) {
    return kind == LayerKind::embedding || kind == LayerKind::fusion || kind == LayerKind::bridge;
}

std::vector<Piece> pieces_of(const Model& model) {
    std::vector<Piece> pieces;
    const std::vector<std::vector<int>> branches = branches_of(model);
    for (std::size_t branch = 0; branch < branches.size(); ++branch) {
        std::vector<int> ahead;
        for (const int node : branches[branch]) {
            const LayerKind kind = model.layer(node).kind;
            if (leads(kind)) {
                ahead.push_back(node);
                continue;
            }
            if (kind == LayerKind::block)
                pieces.push_back({std::exchange(ahead, {}), 0, static_cast<int>(branch)});
            pieces.back().nodes.push_back(node);
        }
    }
    for (Piece& piece : pieces)
        for (const int node : piece.nodes) piece.work += work_of(model, node);
    return pieces;
}

std::vector<double> work_of(std::span<const Piece> pieces) {
    std::vector<double> work;
    for (const Piece& piece : pieces) work.push_back(piece.work);
    return work;
}

[[noreturn]] void refuse(const std::string& message) {
    throw ExperimentError(message);
}

/// Stages of so many pieces each.
std::vector<std::vector<int>> stages_of(std::span<const Piece> pieces, std::span<const int> sizes) {
    std::vector<std::vector<int>> stages;
    std::size_t next = 0;
    for (const int size : sizes) {
        std::vector<int>& stage = stages.emplace_back();
        for (int i = 0; i < size; ++i, ++next)
            stage.insert(stage.end(), pieces[next].nodes.begin(), pieces[next].nodes.end());
    }
    return stages;
}

void check_blocks(std::span<const int> blocks, std::size_t pieces, int stages) {
    const int sum = std::accumulate(blocks.begin(), blocks.end(), 0);
    const bool negative = std::any_of(blocks.begin(), blocks.end(), [](int size) { return size < 0; });
    if (!negative && sum == static_cast<int>(pieces) && static_cast<int>(blocks.size()) == stages) return;
    refuse(fmt::format("the layers of the stages do not add up to the model's {}", pieces));
}

/// Pieces of one branch, and how they are cut at present.
struct BranchCut {
    std::vector<double> work;
    std::vector<int> sizes;
    double largest = 0;

    void cut(int parts) {
        sizes = balanced_cut(work, parts);
        largest = largest_part(work, sizes);
    }
    [[nodiscard]] bool may_grow() const { return sizes.size() < work.size(); }
};

std::vector<int> sizes_by_work(std::span<const Piece> pieces, int branches, int stages) {
    std::vector<BranchCut> cuts(static_cast<std::size_t>(branches));
    for (const Piece& piece : pieces) cuts[static_cast<std::size_t>(piece.branch)].work.push_back(piece.work);
    for (BranchCut& cut : cuts) cut.cut(1);
    for (int given = branches; given < stages; ++given) {
        BranchCut* most = nullptr;
        for (BranchCut& cut : cuts)
            if (cut.may_grow() && (most == nullptr || cut.largest > most->largest)) most = &cut;
        most->cut(static_cast<int>(most->sizes.size()) + 1);
    }
    std::vector<int> sizes;
    for (const BranchCut& cut : cuts) sizes.insert(sizes.end(), cut.sizes.begin(), cut.sizes.end());
    return sizes;
}

}  // namespace

bool runs_on_graph(std::string_view schedule) {
    static constexpr std::array<std::string_view, 2> kOnGraph{"graphpipe", "distmm"};
    return std::ranges::find(kOnGraph, schedule) != kOnGraph.end();
}

std::vector<std::vector<int>> branches_of(const Model& model) {
    std::vector<int> consumers(model.nodes.size(), 0);
    for (const models::LayerNode& node : model.nodes)
        for (const int input : node.inputs) ++consumers[static_cast<std::size_t>(input)];
    std::vector<std::vector<int>> branches;
    std::vector<int> branch_of(model.nodes.size(), 0);
    for (int node = 0; node < static_cast<int>(model.nodes.size()); ++node) {
        const std::vector<int>& inputs = model.nodes[static_cast<std::size_t>(node)].inputs;
        const bool goes_on = inputs.size() == 1 && consumers[static_cast<std::size_t>(inputs.front())] == 1;
        // Without a block of its own: with the last that feeds it.
        const bool joins = model.layer(node).kind == LayerKind::loss && !inputs.empty();
        int branch = static_cast<int>(branches.size());
        if (goes_on || joins) branch = branch_of[static_cast<std::size_t>(inputs.back())];
        if (branch == static_cast<int>(branches.size())) branches.emplace_back();
        branches[static_cast<std::size_t>(branch)].push_back(node);
        branch_of[static_cast<std::size_t>(node)] = branch;
    }
    return branches;
}

std::vector<std::vector<int>> partition_by_branch(const Model& model, int stages,
                                                  std::span<const int> blocks) {
    const std::vector<Piece> pieces = pieces_of(model);
    const int branches = pieces.back().branch + 1;
    if (stages < branches)
        refuse(fmt::format("{} stages are fewer than the {} branches of the model; expected at least {}",
                           stages, branches, branches));
    if (stages > static_cast<int>(pieces.size()))
        refuse(fmt::format("{} stages are more than the {} layers of the model", stages, pieces.size()));
    if (blocks.empty()) return stages_of(pieces, sizes_by_work(pieces, branches, stages));
    check_blocks(blocks, pieces.size(), stages);
    std::size_t next = 0;
    for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
        if (blocks[stage] == 0) refuse(fmt::format("stage {} holds no layer", stage));
        const std::size_t end = next + static_cast<std::size_t>(blocks[stage]);
        if (pieces[next].branch != pieces[end - 1].branch)
            refuse(fmt::format("stage {} would hold layers of two branches", stage));
        next = end;
    }
    return stages_of(pieces, blocks);
}

std::vector<std::vector<int>> partition_in_sequence(const Model& model, int stages,
                                                    std::span<const int> blocks) {
    const std::vector<Piece> pieces = pieces_of(model);
    if (!blocks.empty()) {
        check_blocks(blocks, pieces.size(), stages);
        return stages_of(pieces, blocks);
    }
    if (stages > static_cast<int>(pieces.size()))
        refuse(fmt::format("{} stages are more than the {} layers of the model", stages, pieces.size()));
    return stages_of(pieces, balanced_cut(work_of(pieces), stages));
}

std::vector<std::vector<int>> inputs_of_stages(const Model& model,
                                               const std::vector<std::vector<int>>& stage_layers) {
    std::vector<int> stage_of(model.nodes.size(), 0);
    for (std::size_t stage = 0; stage < stage_layers.size(); ++stage)
        for (const int node : stage_layers[stage])
            stage_of[static_cast<std::size_t>(node)] = static_cast<int>(stage);
    std::vector<std::vector<int>> inputs(stage_layers.size());
    for (std::size_t stage = 0; stage < stage_layers.size(); ++stage) {
        for (const int node : stage_layers[stage])
            for (const int input : model.nodes[static_cast<std::size_t>(node)].inputs) {
                const int from = stage_of[static_cast<std::size_t>(input)];
                if (from > static_cast<int>(stage))
                    refuse(fmt::format("stage {} would read a later one", stage));
                if (from < static_cast<int>(stage)) inputs[stage].push_back(from);
            }
        std::ranges::sort(inputs[stage]);
        std::vector<int>& own = inputs[stage];
        own.erase(std::unique(own.begin(), own.end()), own.end());
    }
    return inputs;
}

}  // namespace orrery::parallel
