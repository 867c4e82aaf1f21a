#include "parallel/pipeline/stage_tensors.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"

namespace orrery::parallel {
namespace {

/// Stages from `from` to `to`, both included, along the fewest edges; empty where there is no way.
std::vector<int> shortest_way(const StageGraph& graph, int from, int to) {
    std::vector<int> reached_from(static_cast<std::size_t>(graph.stages()), -1);
    std::vector<int> queue = {from};
    for (std::size_t i = 0; i < queue.size() && queue[i] != to; ++i) {
        for (const int next : graph.outputs(queue[i])) {
            int& before = reached_from[static_cast<std::size_t>(next)];
            if (before >= 0) continue;
            before = queue[i];
            queue.push_back(next);
        }
    }
    if (reached_from[static_cast<std::size_t>(to)] < 0) return {};
    std::vector<int> way = {to};
    while (way.back() != from) way.push_back(reached_from[static_cast<std::size_t>(way.back())]);
    std::ranges::reverse(way);
    return way;
}

}  // namespace

StageTensors::StageTensors(const models::Model& model, const std::vector<std::vector<int>>& stage_layers,
                           const StageGraph& graph, const std::string& schedule) {
    std::vector<int> stage_of(model.nodes.size(), 0);
    for (std::size_t stage = 0; stage < stage_layers.size(); ++stage)
        for (const int node : stage_layers[stage])
            stage_of[static_cast<std::size_t>(node)] = static_cast<int>(stage);
    std::map<std::pair<int, int>, std::set<int>> crossing;
    for (std::size_t node = 0; node < model.nodes.size(); ++node) {
        for (const int input : model.nodes[node].inputs) {
            const int from = stage_of[static_cast<std::size_t>(input)];
            if (from == stage_of[node]) continue;
            const std::vector<int> way = shortest_way(graph, from, stage_of[node]);
            if (way.empty())
                throw ExperimentError("schedule " + schedule + ": its stages have no way from " +
                                      model.layer(input).name + " to " +
                                      model.layer(static_cast<int>(node)).name);
            for (std::size_t i = 1; i < way.size(); ++i) crossing[{way[i - 1], way[i]}].insert(input);
        }
    }
    for (int stage = 0; stage < graph.stages(); ++stage)
        for (const int input : graph.inputs(stage)) {
            const auto found = crossing.find({input, stage});
            if (found == crossing.end())
                throw ExperimentError(
                    "schedule " + schedule +
                    ": its stages form a graph with branches that the model's layers do not");
            nodes_[{input, stage}].assign(found->second.begin(), found->second.end());
        }
}

}  // namespace orrery::parallel
