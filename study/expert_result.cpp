#include "study/expert_result.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "parallel/expert/expert_traffic.hpp"
#include "study/moe_table.hpp"

namespace orrery::study {
namespace {

using parallel::ExpertTraffic;
using parallel::Routing;

double sum(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Loads as shares of the mean, over the draws; each draw's most loaded against its mean, averaged.
class Loads {
  public:
    void add(const std::vector<double>& loads) {
        imbalance_ += parallel::imbalance(loads);
        most_ = std::max(most_, parallel::imbalance(loads));
        ++draws_;
    }
    [[nodiscard]] double mean_imbalance() const { return draws_ > 0 ? imbalance_ / draws_ : 1; }
    [[nodiscard]] double most_imbalance() const { return std::max(1.0, most_); }

  private:
    double imbalance_ = 0;
    double most_ = 0;
    double draws_ = 0;
};

/// Seconds of the tasks of that name on each rank's expert stream: of the rank that has most.
double most_seconds(const Simulation& s, std::string_view name) {
    const sim::Program& program = s.lowered.program;
    const auto found = std::ranges::find(program.names, name);
    if (found == program.names.end()) return 0;
    const auto wanted = static_cast<std::int32_t>(found - program.names.begin());
    double most = 0;
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
        const sim::RankProgram& tasks = program.rank_programs[program.ranks[rank].program];
        double seconds = 0;
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            if (tasks.label[task].name != wanted) continue;
            const std::size_t at = program.first_task[rank] + task;
            seconds += s.timeline.end[at] - s.timeline.start[at];
        }
        most = std::max(most, seconds);
    }
    return most;
}

}  // namespace

report::ExpertResult expert_result(const Experiment& experiment, const Simulation& s) {
    const ExpertTraffic& traffic = *s.lowered.experts;
    report::ExpertResult result;
    result.routing = describe(experiment.plan.experts, experiment.model.experts.capacity_factor);
    Loads experts;
    Loads ranks;
    double copies = 0;
    double dropped = 0;
    for (int type = 0; type < static_cast<int>(s.model.types.size()); ++type) {
        if (!s.model.types[static_cast<std::size_t>(type)].has_experts()) continue;
        for (int draw = 0; draw < traffic.draws(); ++draw) {
            const Routing& routing = traffic.routing(type, draw);
            experts.add(routing.loads);
            std::vector<double> received;
            for (int rank = 0; rank < routing.senders; ++rank) {
                received.push_back(routing.received_by(rank, traffic.placement(draw)));
            }
            ranks.add(received);
            copies += sum(routing.loads);
            dropped += sum(routing.dropped);
            if (result.expert_share.empty()) {
                result.expert_share = routing.loads;
                result.rank_share = received;
            }
        }
    }
    result.expert_imbalance = experts.mean_imbalance();
    result.worst_expert_imbalance = experts.most_imbalance();
    result.rank_imbalance = ranks.mean_imbalance();
    result.worst_rank_imbalance = ranks.most_imbalance();
    result.dropped = copies > 0 ? dropped / copies : 0;
    const auto as_shares = [](std::vector<double>& loads) {
        const double all = sum(loads);
        for (double& load : loads) load = all > 0 ? load / all : 0;
    };
    as_shares(result.expert_share);
    as_shares(result.rank_share);
    result.dispatch_s = most_seconds(s, "dispatch");
    result.combine_s = most_seconds(s, "combine");
    return result;
}

}  // namespace orrery::study
