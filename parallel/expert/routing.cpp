#include "parallel/expert/routing.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery::parallel {
namespace {

constexpr std::uint64_t kTokenKey = 0x746f6b65;

std::size_t index(int row, int columns, int column) {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
           static_cast<std::size_t>(column);
}

double capacity_of(const models::ExpertShape& shape, const ExpertPlan& plan, double tokens) {
    const double factor = plan.capacity_factor.value_or(shape.capacity_factor);
    if (factor <= 0) return 0;
    return std::ceil(tokens * static_cast<double>(shape.top_k) / static_cast<double>(shape.count) * factor);
}

/// Slots of each expert.
std::vector<std::vector<int>> slots_of(const Placement& placement, std::int64_t experts) {
    std::vector<std::vector<int>> slots(static_cast<std::size_t>(experts));
    for (std::size_t slot = 0; slot < placement.expert.size(); ++slot) {
        slots[static_cast<std::size_t>(placement.expert[slot])].push_back(static_cast<int>(slot));
    }
    return slots;
}

/// Probability that a draw of `draws` of `all` experts misses `part` of them (hypergeometric).
double miss(double all, double part, double draws) {
    double none = 1;
    for (double i = 0; i < draws; ++i) none *= std::max(0.0, (all - part - i) / (all - i));
    return none;
}

class Router {
  public:
    Router(const models::ExpertShape& shape, const ExpertPlan& plan, const Placement& placement,
           std::int64_t tokens, int draw)
        : shape_(shape),
          plan_(plan),
          placement_(placement),
          slots_(slots_of(placement, shape.count)),
          tokens_(tokens),
          draw_(draw),
          nodes_(plan.node_ranks > 0 ? placement.ranks / plan.node_ranks : 1),
          capacity_(capacity_of(shape, plan, static_cast<double>(tokens))) {
        routing_.senders = placement.ranks;
        routing_.slots = static_cast<int>(placement.expert.size());
        routing_.tokens = static_cast<double>(tokens);
        const auto senders = static_cast<std::size_t>(placement.ranks);
        routing_.copies.assign(senders * placement.expert.size(), 0.0);
        routing_.dropped.assign(senders, 0.0);
        routing_.loads.assign(static_cast<std::size_t>(shape.count), 0.0);
        routing_.rank_visits.assign(senders * senders, 0.0);
        routing_.node_visits.assign(senders * static_cast<std::size_t>(nodes_), 0.0);
    }

    Routing run() {
        const bool balanced = plan_.gating == Gating::balanced;
        const std::vector<double> common = popularity(plan_, shape_.count, draw_);
        for (int sender = 0; sender < placement_.ranks; ++sender) {
            const std::vector<double> chosen = balanced ? even_copies(sender) : drawn_copies(common, sender);
            for (std::size_t e = 0; e < chosen.size(); ++e) take(sender, e, chosen[e]);
        }
        return std::move(routing_);
    }

  private:
    std::vector<double> even_copies(int sender) {
        const auto count = static_cast<double>(shape_.count);
        const auto k = static_cast<double>(shape_.top_k);
        const double groups = static_cast<double>(shape_.groups);
        const double top_groups = static_cast<double>(shape_.top_groups);
        // A token visits `top_groups` groups, and k / top_groups experts in each.
        const double here = static_cast<double>(placement_.slots_per_rank());
        const double visits = top_groups / groups * (1 - miss(count / groups, here, k / top_groups));
        for (int rank = 0; rank < placement_.ranks; ++rank) {
            routing_.rank_visits[index(sender, placement_.ranks, rank)] = routing_.tokens * visits;
        }
        const double per_node = static_cast<double>(shape_.count) / nodes_;
        const double node_groups = std::max(1.0, groups / nodes_);
        const double node_visits =
            groups >= nodes_ ? 1 - miss(groups, node_groups, top_groups)
                             : top_groups / groups * (1 - miss(count / groups, per_node, k / top_groups));
        for (int node = 0; node < nodes_; ++node) {
            routing_.node_visits[index(sender, nodes_, node)] =
                routing_.tokens * (nodes_ == 1          ? 1
                                   : shape_.groups == 1 ? 1 - miss(count, per_node, k)
                                                        : node_visits);
        }
        return std::vector<double>(static_cast<std::size_t>(shape_.count), routing_.tokens * k / count);
    }

    std::vector<double> drawn_copies(const std::vector<double>& common, int sender) {
        std::mt19937_64 random = generator(plan_.seed ^ kTokenKey, static_cast<std::uint64_t>(draw_),
                                           static_cast<std::uint64_t>(sender));
        TokenGate gate(popularity_at(plan_, common, sender, placement_.ranks), shape_);
        std::vector<double> chosen(static_cast<std::size_t>(shape_.count), 0.0);
        std::vector<int> ranks;
        for (std::int64_t token = 0; token < tokens_; ++token) {
            ranks.clear();
            for (const int e : gate.choose(random)) {
                ++chosen[static_cast<std::size_t>(e)];
                const auto& slots = slots_[static_cast<std::size_t>(e)];
                const auto turn = static_cast<std::size_t>(sender + token) % slots.size();
                ranks.push_back(placement_.rank_of(static_cast<std::size_t>(slots[turn])));
            }
            visit(sender, ranks);
        }
        return chosen;
    }

    /// Counts each rank and each node that the token visits once.
    void visit(int sender, std::vector<int>& ranks) {
        std::ranges::sort(ranks);
        int last_rank = -1;
        int last_node = -1;
        for (const int rank : ranks) {
            if (rank == last_rank) continue;
            last_rank = rank;
            routing_.rank_visits[index(sender, placement_.ranks, rank)] += 1;
            const int node = plan_.node_ranks > 0 ? rank / plan_.node_ranks : 0;
            if (node != last_node) routing_.node_visits[index(sender, nodes_, node)] += 1;
            last_node = node;
        }
    }

    /// An expert's copies from one sender, cut or filled to its capacity and spread over its slots.
    void take(int sender, std::size_t expert, double chosen) {
        routing_.loads[expert] += chosen;
        double kept = chosen;
        if (capacity_ > 0) {
            kept = std::min(chosen, capacity_);
            routing_.dropped[static_cast<std::size_t>(sender)] += chosen - kept;
            if (plan_.overflow == Overflow::pad) kept = capacity_;
        }
        const std::vector<int>& slots = slots_[expert];
        const auto n = static_cast<double>(slots.size());
        const bool whole = plan_.gating != Gating::balanced;
        const double each = whole ? std::floor(kept / n) : kept / n;
        double rest = kept - each * n;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const int slot = slots[(i + static_cast<std::size_t>(sender)) % slots.size()];
            const double extra = std::min(rest, 1.0);
            routing_.copies[index(sender, routing_.slots, slot)] += each + extra;
            rest -= extra;
        }
    }

    const models::ExpertShape& shape_;
    const ExpertPlan& plan_;
    const Placement& placement_;
    std::vector<std::vector<int>> slots_;
    std::int64_t tokens_;
    int draw_;
    int nodes_;
    double capacity_;
    Routing routing_;
};

}  // namespace

Placement place_experts(const ExpertPlan& plan, std::int64_t experts, int ranks,
                        const std::vector<double>& popularity) {
    Placement placement{ranks, plan.placement};
    if (!placement.expert.empty()) return placement;
    for (int e = 0; e < static_cast<int>(experts); ++e) placement.expert.push_back(e);
    std::vector<double> load = popularity;  // of each copy of the expert
    std::vector<int> copies(load.size(), 1);
    for (int i = 0; i < plan.replicas; ++i) {
        const auto most = static_cast<std::size_t>(std::ranges::max_element(load) - load.begin());
        placement.expert.push_back(static_cast<int>(most));
        load[most] = popularity[most] / ++copies[most];
    }
    return placement;
}

double Routing::sent_by(int sender) const {
    const auto begin = copies.begin() + static_cast<std::ptrdiff_t>(index(sender, slots, 0));
    return std::accumulate(begin, begin + slots, 0.0);
}

double Routing::received_by(int rank, const Placement& placement) const {
    double sum = 0;
    for (int sender = 0; sender < senders; ++sender) {
        for (int slot = rank * placement.slots_per_rank(); slot < (rank + 1) * placement.slots_per_rank();
             ++slot) {
            sum += at(sender, slot);
        }
    }
    return sum;
}

Routing route(const models::ExpertShape& shape, const ExpertPlan& plan, const Placement& placement,
              std::int64_t tokens, int draw) {
    return Router(shape, plan, placement, tokens, draw).run();
}

sim::TrafficMatrix dispatch_matrix(const Routing& routing, const Placement& placement, double bytes) {
    sim::TrafficMatrix matrix;
    matrix.members = static_cast<std::uint32_t>(placement.ranks);
    matrix.bytes.assign(static_cast<std::size_t>(placement.ranks) * static_cast<std::size_t>(placement.ranks),
                        0.0);
    for (int sender = 0; sender < routing.senders; ++sender) {
        for (int slot = 0; slot < routing.slots; ++slot) {
            const int rank = placement.rank_of(static_cast<std::size_t>(slot));
            matrix.bytes[index(sender, placement.ranks, rank)] += bytes * routing.at(sender, slot);
        }
    }
    return matrix;
}

sim::TrafficMatrix transposed(const sim::TrafficMatrix& matrix) {
    sim::TrafficMatrix result = matrix;
    const auto n = static_cast<int>(matrix.members);
    for (int i = 0; i < n; ++i) {
        for (int j = 0; j < n; ++j) result.bytes[index(j, n, i)] = matrix.bytes[index(i, n, j)];
    }
    return result;
}

double imbalance(const std::vector<double>& loads) {
    if (loads.empty()) return 1;
    const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
    return sum > 0 ? *std::ranges::max_element(loads) * static_cast<double>(loads.size()) / sum : 1;
}

}  // namespace orrery::parallel
