#include "study/numeric/exchange.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "study/numeric/exchange_weights.hpp"
#include "study/numeric/fault.hpp"
#include "study/numeric/shares.hpp"

namespace orrery::study::numeric {

using parallel::Effect;
using parallel::Meaning;
using parallel::OperatorPart;
using parallel::Part;
using parallel::WeightSet;
using sim::CollectiveKind;

namespace {

double elements(const Matrix& m) {
    return static_cast<double>(m.size());
}

[[noreturn]] void refuse(const sim::Collective& operation, const std::string& what) {
    throw Fault("is a " + std::string(to_string(operation.kind)) + ", which does not " + what);
}

// --- inside layers ---

Matrix one_below_the_other(const std::vector<Matrix>& parts) {
    Eigen::Index rows = 0;
    for (const Matrix& part : parts) rows += part.rows();
    Matrix whole(rows, parts.front().cols());
    Eigen::Index at = 0;
    for (const Matrix& part : parts) {
        whole.middleRows(at, part.rows()) = part;
        at += part.rows();
    }
    return whole;
}

Matrix combined(const sim::Collective& operation, const std::vector<Matrix>& parts, bool largest) {
    if (operation.kind == CollectiveKind::all_gather) return one_below_the_other(parts);
    if (operation.kind != CollectiveKind::all_reduce && operation.kind != CollectiveKind::reduce_scatter)
        refuse(operation, "combine tensors of a layer");
    Matrix sum = parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i)
        sum = largest ? Matrix(sum.cwiseMax(parts[i])) : Matrix(sum + parts[i]);
    return sum;
}

Volume exchange_in_layer(const sim::Collective& operation, std::vector<Member>& members) {
    const Meaning& first = members.front().task;
    const OperatorPart part = first.parts.at(0);
    std::vector<Matrix> parts;
    for (const Member& member : members) {
        const Meaning& task = member.task;
        const OperatorPart& own = task.parts.at(0);
        if (task.node != first.node || task.micro_batch != first.micro_batch || task.slice != first.slice ||
            own.op != part.op || own.part != part.part)
            throw Fault("combines tensors that do not belong together");
        parts.push_back(member.rank.contribution(task, own));
    }
    // The loss's statistics: the first of the three is a maximum.
    const bool statistic = part.part == Part::combine_loss;
    const bool largest = statistic && members.front().rank.statistics_combined(first) == 0;
    Matrix result = combined(operation, parts, largest);
    const double full = elements(result);
    for (std::size_t i = 0; i < members.size(); ++i) {
        Matrix own = result;
        if (operation.kind == CollectiveKind::reduce_scatter) {
            const Eigen::Index rows = result.rows() / static_cast<Eigen::Index>(members.size());
            own = result.middleRows(static_cast<Eigen::Index>(i) * rows, rows);
        }
        members[i].rank.accept(members[i].task, members[i].task.parts[0], std::move(own));
    }
    return {full, statistic ? ElementKind::statistic : ElementKind::activation};
}

// --- between stages ---

/// The elements of a matrix as one row, and the other way round.
Matrix in_a_row(const Matrix& m) {
    return Eigen::Map<const Matrix>(m.data(), 1, m.size());
}

Volume send(std::vector<Member>& members) {
    const bool first_sends = members[0].task.effect == Effect::send;
    Member& from = members[first_sends ? 0 : 1];
    Member& to = members[first_sends ? 1 : 0];
    if (from.task.effect != Effect::send || to.task.effect != Effect::receive)
        throw Fault("is a send without a receive");
    Received message = from.rank.hand_over(from.task.handovers.at(0));
    double sent = 0;
    if (from.rank.problem().scatters_messages()) {
        message.share = true;
        for (Matrix& tensor : message.tensors) {
            const auto [begin, length] = own_part(tensor.size(), from.rank.tensor());
            tensor = Matrix(in_a_row(tensor).middleCols(begin, length));
        }
    }
    for (const Matrix& tensor : message.tensors) sent += elements(tensor);
    to.rank.receive(to.task.handovers.at(0), std::move(message));
    return {sent};
}

Volume gather_received(std::vector<Member>& members) {
    std::vector<Matrix> whole;
    double full = 0;
    for (const Member& member : members) {
        const std::vector<Matrix>& shares = member.rank.received(member.task.handovers.at(0)).tensors;
        whole.resize(shares.size(), Matrix(1, 0));
        for (std::size_t i = 0; i < shares.size(); ++i) {
            Matrix longer(1, whole[i].cols() + shares[i].size());
            longer.leftCols(whole[i].cols()) = whole[i];
            longer.rightCols(shares[i].size()) = in_a_row(shares[i]);
            whole[i] = std::move(longer);
        }
    }
    for (const Matrix& one : whole) full += elements(one);
    for (const Member& member : members) {
        const parallel::Handover& what = member.task.handovers.at(0);
        Received& message = member.rank.received(what);
        message.share = false;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            const Eigen::Index width = member.rank.problem().model.layer(what.nodes[i]).width;
            message.tensors[i] = Eigen::Map<const Matrix>(whole[i].data(), whole[i].size() / width, width);
        }
    }
    return {full};
}

double size_of(const std::map<Piece, Activations>& moved) {
    double sum = 0;
    for (const auto& [at, a] : moved) {
        if (a.input) sum += elements(*a.input);
        for (const auto& output : a.output)
            if (output) sum += elements(*output);
    }
    return sum;
}

Volume move(std::vector<Member>& members) {
    const auto find = [&](Effect a, Effect b) -> Member& {
        for (Member& member : members)
            if (member.task.effect == a || member.task.effect == b) return member;
        throw Fault("moves activations from or to nowhere");
    };
    Member& owner = find(Effect::move_out, Effect::move_back);
    Member& keeper = find(Effect::keep, Effect::give_back);
    std::map<Piece, Activations> moved;
    if (owner.task.effect == Effect::move_out) {
        moved = owner.rank.move_out(owner.task);
        for (auto& [at, a] : moved) keeper.rank.kept_for[{owner.device, at}] = a;
    } else {
        for (const int node : keeper.task.nodes) {
            const Piece at{node, keeper.task.micro_batch, keeper.task.slice};
            const auto it = keeper.rank.kept_for.find({owner.device, at});
            if (it == keeper.rank.kept_for.end()) throw Fault("gives back activations that it does not keep");
            moved[at] = std::move(it->second);
            keeper.rank.kept_for.erase(it);
        }
        owner.rank.move_back(moved);
    }
    return {size_of(moved), ElementKind::saved};
}

/// Members that mean the gradients of other weights.
void check_sets(const std::vector<Member>& members) {
    const std::vector<WeightSet>& sets = members.front().task.weights;
    for (const Member& member : members)
        if (member.task.weights != sets)
            throw Fault("combines weights or gradients that do not belong together");
}

}  // namespace

Volume exchange(const sim::Collective& operation, std::vector<Member>& members) {
    check_sets(members);
    switch (members.front().task.effect) {
        case Effect::layer:
            return exchange_in_layer(operation, members);
        case Effect::send:
        case Effect::receive:
            return send(members);
        case Effect::gather_received:
            return gather_received(members);
        case Effect::gather_weights:
            return gather_weights(members);
        case Effect::reduce_gradients:
            return reduce_gradients(operation, members);
        case Effect::reduce_partial:
            return reduce_partial(operation, members);
        case Effect::reduce_shares:
            return reduce_shares(members);
        case Effect::reduce_table:
            return reduce_table(operation, members);
        case Effect::move_out:
        case Effect::move_back:
        case Effect::keep:
        case Effect::give_back:
            return move(members);
        default:
            refuse(operation, "say what it combines");
    }
}

}  // namespace orrery::study::numeric
