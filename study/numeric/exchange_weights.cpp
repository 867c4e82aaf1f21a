#include "study/numeric/exchange_weights.hpp"

#include "study/numeric/shares.hpp"

namespace orrery::study::numeric {

using parallel::WeightSet;
using sim::CollectiveKind;

namespace {

double elements(const Matrix& m) {
    return static_cast<double>(m.size());
}

/// Visits each operator's weights of the operation's sets, as all members know them.
template <class Visit>
void each_operator(std::vector<Member>& members, Visit visit) {
    for (std::size_t s = 0; s < members.front().task.weights.size(); ++s) {
        const std::vector<OperatorId> ids =
            members.front().rank.weights.owners(members.front().task.weights[s]);
        for (const OperatorId id : ids) visit(id, s);
    }
}

void copy_part(const Matrix& from, Matrix& to, Share division) {
    const auto [begin, length] = own_part(from.size(), division);
    for (Eigen::Index i = begin; i < begin + length; ++i) to.data()[i] = from.data()[i];
}

Share division_of(const std::vector<Member>& members, std::size_t i) {
    return {static_cast<int>(members.size()), static_cast<int>(i)};
}

double size_of(const Weights& w) {
    return elements(w.weight) + elements(w.bias);
}

double part_size(const Weights& w, Share division) {
    return static_cast<double>(own_part(w.weight.size(), division).second +
                               own_part(w.bias.size(), division).second);
}

/// The members' gradients of an operator, added.
template <class Gradient>
Weights sum_of(std::vector<Member>& members, Gradient gradient) {
    Weights sum = gradient(members.front());
    for (std::size_t i = 1; i < members.size(); ++i) {
        Weights one = gradient(members[i]);
        each_matrix(sum, one, [](Matrix& a, Matrix& b) { a += b; });
    }
    return sum;
}

/// The sum over the members of what they hold, all of it to each or to each its part.
Volume reduce_held(const sim::Collective& operation, std::vector<Member>& members,
                   const std::vector<std::vector<OperatorId>>& ids) {
    double full = 0;
    for (std::size_t k = 0; k < ids.front().size(); ++k) {
        std::size_t next = 0;
        const Weights sum = sum_of(members, [&](Member& member) -> Weights {
            return member.rank.weights.at(ids[next++][k]).gradient;
        });
        // Of sharded weights there is no more than the part.
        const Held& one = members.front().rank.weights.at(ids.front()[k]);
        full += one.sharded ? part_size(sum, one.division) : size_of(sum);
        for (std::size_t m = 0; m < members.size(); ++m) {
            Weights& held = members[m].rank.weights.at(ids[m][k]).gradient;
            held = sum;
            if (operation.kind == CollectiveKind::reduce_scatter)
                keep_own_part(held, division_of(members, m));
        }
    }
    return {full, ElementKind::gradient};
}

/// One micro-batch's gradients of sharded weights.
Volume reduce_each(std::vector<Member>& members) {
    double full = 0;
    each_operator(members, [&](OperatorId id, std::size_t s) {
        const Weights sum = sum_of(members, [&](Member& member) {
            return member.rank.weights.take_unreduced(id, member.task.weights[s]);
        });
        full += size_of(sum);
        for (std::size_t m = 0; m < members.size(); ++m) {
            Weights own = sum;
            keep_own_part(own, division_of(members, m));
            members[m].rank.weights.put_reduced(id, members[m].task.weights[s], std::move(own));
        }
    });
    return {full, ElementKind::gradient};
}

}  // namespace

Volume gather_weights(std::vector<Member>& members) {
    double full = 0;
    each_operator(members, [&](OperatorId id, std::size_t) {
        full += size_of(members.front().rank.weights.at(id).main);
        for (Member& member : members) ++member.rank.weights.at(id).copies;
        for (std::size_t i = 0; i < members.size(); ++i) {
            for (Member& member : members)
                each_matrix(members[i].rank.weights.at(id).main, member.rank.weights.at(id).working,
                            [&](Matrix& from, Matrix& to) { copy_part(from, to, division_of(members, i)); });
        }
    });
    return {full, ElementKind::weight};
}

Volume reduce_shares(std::vector<Member>& members) {
    double full = 0;
    each_operator(members, [&](OperatorId id, std::size_t s) {
        const Weights sum = sum_of(
            members, [&](Member& member) { return member.rank.weights.reduced(id, member.task.weights[s]); });
        full += part_size(sum, members.front().rank.weights.at(id).division);
        for (Member& member : members) member.rank.weights.reduced(id, member.task.weights[s]) = sum;
    });
    return {full, ElementKind::gradient};
}

Volume reduce_gradients(const sim::Collective& operation, std::vector<Member>& members) {
    const std::vector<WeightSet>& sets = members.front().task.weights;
    const bool scatters = operation.kind == CollectiveKind::reduce_scatter;
    if (scatters && !sets.empty() && sets.front().micro_batch >= 0) return reduce_each(members);
    std::vector<OperatorId> ids;
    each_operator(members, [&](OperatorId id, std::size_t) { ids.push_back(id); });
    return reduce_held(operation, members, std::vector(members.size(), ids));
}

Volume reduce_table(const sim::Collective& operation, std::vector<Member>& members) {
    std::vector<std::vector<OperatorId>> ids;
    for (const Member& member : members) ids.push_back({member.rank.weights.table()});
    return reduce_held(operation, members, ids);
}

Volume reduce_partial(const sim::Collective& operation, std::vector<Member>& members) {
    std::vector<std::vector<OperatorId>> ids(members.size());
    for (std::size_t m = 0; m < members.size(); ++m)
        for (const auto& [node, op] : members[m].task.operators) ids[m].push_back({node, op});
    return reduce_held(operation, members, ids);
}

}  // namespace orrery::study::numeric
