#include "schedules/stage_graph.hpp"

#include <numeric>

namespace orrery::schedules {

StageGraph::StageGraph(const Schedule& schedule) {
    const int stages = schedule.stages();
    const bool chain = schedule.stage_inputs.empty();
    const auto append_inputs = [&](int stage) {
        if (!chain)
            inputs_.stages.insert(inputs_.stages.end(), schedule.stage_inputs[stage].begin(),
                                  schedule.stage_inputs[stage].end());
        else if (stage > 0)
            inputs_.stages.push_back(stage - 1);
    };
    inputs_.first = {0};
    outputs_.first.assign(static_cast<std::size_t>(stages) + 1, 0);
    for (int stage = 0; stage < stages; ++stage) {
        append_inputs(stage);
        inputs_.first.push_back(static_cast<int>(inputs_.stages.size()));
        for (const int input : inputs(stage)) ++outputs_.first[input + 1];
    }
    std::partial_sum(outputs_.first.begin(), outputs_.first.end(), outputs_.first.begin());
    outputs_.stages.resize(inputs_.stages.size());
    std::vector<int> next = outputs_.first;
    for (int stage = 0; stage < stages; ++stage)
        for (const int input : inputs(stage)) outputs_.stages[next[input]++] = stage;
}

}  // namespace orrery::schedules
