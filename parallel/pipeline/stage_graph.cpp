#include "parallel/pipeline/stage_graph.hpp"

#include <algorithm>

namespace orrery::parallel {

using schedules::Action;
using schedules::ActionKind;

bool is_forward(ActionKind kind) {
    return kind == ActionKind::forward;
}
bool sends_gradient(ActionKind kind) {
    return kind == ActionKind::backward || kind == ActionKind::backward_input;
}
bool completes_gradient(ActionKind kind) {
    return kind == ActionKind::backward || kind == ActionKind::backward_weight;
}
bool moves_activations(ActionKind kind) {
    return kind == ActionKind::evict || kind == ActionKind::load;
}

StageGraph::StageGraph(const schedules::Schedule& schedule)
    : placement_(schedule.placement), inputs_(schedule.stage_inputs) {
    const auto stages = static_cast<std::size_t>(schedule.stages());
    if (inputs_.empty()) {
        inputs_.resize(stages);
        for (std::size_t stage = 1; stage < stages; ++stage) inputs_[stage] = {static_cast<int>(stage) - 1};
    }
    outputs_.resize(stages);
    holders_.resize(stages);
    for (std::size_t stage = 0; stage < stages; ++stage) {
        for (const int input : inputs_[stage])
            outputs_[static_cast<std::size_t>(input)].push_back(static_cast<int>(stage));
        for (const std::vector<int>& direction : placement_) holders_[stage].push_back(direction[stage]);
        std::sort(holders_[stage].begin(), holders_[stage].end());
        holders_[stage].erase(std::unique(holders_[stage].begin(), holders_[stage].end()),
                              holders_[stage].end());
    }
}

int StageGraph::holder(int direction, int stage) const {
    return placement_[static_cast<std::size_t>(direction)][static_cast<std::size_t>(stage)];
}
const std::vector<int>& StageGraph::inputs(int stage) const {
    return inputs_[static_cast<std::size_t>(stage)];
}
const std::vector<int>& StageGraph::outputs(int stage) const {
    return outputs_[static_cast<std::size_t>(stage)];
}
const std::vector<int>& StageGraph::holders(int stage) const {
    return holders_[static_cast<std::size_t>(stage)];
}

std::span<const int> StageGraph::consumers(const Action& action) const {
    if (is_forward(action.kind)) return outputs(action.stage);
    if (sends_gradient(action.kind)) return inputs(action.stage);
    return {};
}

std::span<const int> StageGraph::producers(const Action& action) const {
    if (is_forward(action.kind)) return inputs(action.stage);
    if (sends_gradient(action.kind) || action.kind == ActionKind::recompute) return outputs(action.stage);
    return {};
}

}  // namespace orrery::parallel
