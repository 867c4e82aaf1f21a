#include <algorithm>

#include "schedules/layer_costs.hpp"

namespace orrery::schedules {

double pipeline_time(const std::vector<StagePlan>& stages, int micro_batches, double communication) {
    const int p = static_cast<int>(stages.size());
    double warm_up = 0;
    double ending = 0;
    double slowest = 0;
    for (int s = p - 1; s >= 0; --s) {
        const StagePlan& stage = stages[s];
        double wait_for_gradient = 0;
        double wait_for_forward = 0;
        if (s + 1 < p) {
            wait_for_gradient = warm_up + stages[s + 1].backward + 2 * communication;
            wait_for_forward = ending + stages[s + 1].forward + 2 * communication;
        }
        warm_up = stage.forward + std::max(wait_for_gradient, (p - s - 1) * stage.forward);
        ending = stage.backward + std::max(wait_for_forward, (p - s - 1) * stage.backward);
        slowest = std::max(slowest, stage.forward + stage.backward);
    }
    return warm_up + ending + (micro_batches - p) * slowest;
}

}  // namespace orrery::schedules
