#include "parallel/expert/expert_groups.hpp"

namespace orrery::parallel {
namespace {

int ranks_of_device(const Parallelism& p) {
    return p.tp * p.cp * p.dp;
}

std::vector<int> every(int step, int count) {
    std::vector<int> ranks;
    ranks.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) ranks.push_back(i * step);
    return ranks;
}

bool one_divides(int a, int b) {
    return a % b == 0 || b % a == 0;
}

}  // namespace

ExpertCoordinates expert_coordinates(const Parallelism& p, int local) {
    const int etp = p.expert_tp();
    return {local % etp, local / etp % p.ep, local / (etp * p.ep)};
}

int expert_copies(const Parallelism& p) {
    return ranks_of_device(p) / (p.expert_tp() * p.ep);
}

std::vector<int> expert_parallel_ranks(const Parallelism& p) {
    return every(p.expert_tp(), p.ep);
}

std::vector<int> expert_tensor_ranks(const Parallelism& p) {
    return every(1, p.expert_tp());
}

std::vector<int> expert_data_ranks(const Parallelism& p) {
    return every(p.expert_tp() * p.ep, expert_copies(p));
}

bool folds_to_expert_group(const Parallelism& p) {
    const int together = p.expert_tp() * p.ep;
    const int sharded = p.sharding_group > 0 ? p.tp * p.sharding_group : together;
    return p.tp % p.expert_tp() == 0 && one_divides(together, p.tp) && one_divides(together, p.tp * p.cp) &&
           one_divides(together, sharded);
}

}  // namespace orrery::parallel
