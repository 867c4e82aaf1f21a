#include "study/numeric/held_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "study/numeric/fault.hpp"
#include "study/numeric/shares.hpp"

namespace orrery::study::numeric {

using parallel::WeightSet;

namespace {

constexpr double kNotThere = std::numeric_limits<double>::quiet_NaN();

void fill(Weights& w, double value) {
    w.weight.setConstant(value);
    w.bias.setConstant(value);
}

void keep_own_part(Matrix& m, Share division) {
    const auto [begin, length] = own_part(m.size(), division);
    for (Eigen::Index i = 0; i < m.size(); ++i)
        if (i < begin || i >= begin + length) m.data()[i] = kNotThere;
}

/// Largest difference of the part's elements; infinite where one is not a number.
double difference(const Matrix& a, const Matrix& b, Share division) {
    const auto [begin, length] = own_part(a.size(), division);
    double most = 0;
    for (Eigen::Index i = begin; i < begin + length; ++i) {
        const double d = std::abs(a.data()[i] - b.data()[i]);
        if (!std::isfinite(d)) return std::numeric_limits<double>::infinity();
        most = std::max(most, d);
    }
    return most;
}

double largest(const Matrix& m) {
    return m.size() == 0 ? 0 : m.cwiseAbs().maxCoeff();
}

/// Of gradients: those that are zero in exact arithmetic are held against the model's largest.
constexpr double kSmallestScale = 1e-6;

}  // namespace

void keep_own_part(Weights& weights, Share division) {
    keep_own_part(weights.weight, division);
    keep_own_part(weights.bias, division);
}

HeldWeights::HeldWeights(const Problem& problem, const Reference& reference, Share tensor_share,
                         std::vector<int> nodes)
    : problem_(problem), reference_(reference), share_(tensor_share), nodes_(std::move(nodes)) {
    for (const int node : nodes_) {
        for (int op = 0; op < static_cast<int>(problem.operators(node).size()); ++op) {
            const OperatorId id{node, op};
            if (!problem.has_weights(id) || place_of(id) != id) continue;
            Held& held = held_[id];
            held.main = share_of(problem, id, problem.initial(id), share_);
            held.working = held.main;
            held.gradient = held.main;
            fill(held.gradient, 0);
        }
    }
}

bool HeldWeights::table_is_here() const {
    return std::ranges::find(nodes_, 0) != nodes_.end();
}

OperatorId HeldWeights::place_of(OperatorId id) const {
    return table_is_here() ? problem_.owner(id) : id;
}

OperatorId HeldWeights::table() const {
    for (const auto& [id, held] : held_)
        if (problem_.owner(id) == OperatorId{0, 0}) return id;
    throw Fault("reduces the embedding's gradient, and holds no copy of it");
}

std::vector<OperatorId> HeldWeights::owners(const WeightSet& set) const {
    std::vector<OperatorId> list;
    for (const auto& [id, held] : held_) {
        const bool table = id == OperatorId{0, 0};
        if (id.node != set.node || (table && set.extent == WeightSet::Extent::without_table) ||
            (!table && set.extent == WeightSet::Extent::table))
            continue;
        list.push_back(id);
    }
    return list;
}

void HeldWeights::divide(const WeightSet& set, Share division, bool sharded) {
    for (const OperatorId id : owners(set)) {
        Held& held = held_.at(id);
        held.division = division;
        held.sharded = sharded;
        if (!sharded) continue;
        fill(held.working, kNotThere);
        fill(held.gradient, 0);
        numeric::keep_own_part(held.gradient, division);
    }
}

void HeldWeights::begin_divided(const WeightSet& set) {
    for (const OperatorId id : owners(set)) {
        Held& held = held_.at(id);
        held.begins_whole = false;
        if (!held.sharded) numeric::keep_own_part(held.working, held.division);
    }
}

std::string HeldWeights::name(OperatorId id) const {
    return fmt::format("{} of {} (layer {})",
                       problem_.operators(id.node)[static_cast<std::size_t>(id.op)].name,
                       problem_.model.layer(id.node).name, id.node);
}

Held& HeldWeights::at(OperatorId id) {
    const auto it = held_.find(id);
    if (it == held_.end()) throw Fault("combines the weights of " + name(id) + ", which it does not hold");
    return it->second;
}

const Weights& HeldWeights::working(OperatorId id) const {
    static const Weights none;
    if (!problem_.has_weights(id)) return none;
    const auto it = held_.find(place_of(id));
    if (it == held_.end())
        throw Fault("computes with the weights of " + name(id) + ", which it does not hold");
    const Weights& w = it->second.working;
    if (!w.weight.allFinite() || !w.bias.allFinite())
        throw Fault("computes with the weights of " + name(id) +
                    ", which are not there (not yet gathered, "
                    "given back, or of another rank)");
    return w;
}

Weights& HeldWeights::gradient(OperatorId id, int micro_batch, int slice) {
    Held& held = at(place_of(id));
    if (!held.sharded) return held.gradient;
    const auto [it, fresh] = unreduced_.try_emplace({place_of(id), micro_batch, slice}, held.main);
    if (fresh) fill(it->second, 0);
    return it->second;
}

Weights HeldWeights::take_unreduced(OperatorId id, const WeightSet& set) {
    const auto it = unreduced_.find({id, set.micro_batch, set.slice});
    if (it == unreduced_.end())
        throw Fault(fmt::format("reduces the gradient of {} of micro-batch {}, which is not computed",
                                name(id), set.micro_batch));
    Weights w = std::move(it->second);
    unreduced_.erase(it);
    return w;
}

void HeldWeights::put_reduced(OperatorId id, const WeightSet& set, Weights share) {
    reduced_[{id, set.micro_batch, set.slice}] = std::move(share);
}

Weights& HeldWeights::reduced(OperatorId id, const WeightSet& set) {
    const auto it = reduced_.find({id, set.micro_batch, set.slice});
    if (it == reduced_.end())
        throw Fault(fmt::format("uses the reduced gradient of {} of micro-batch {}, which is not there",
                                name(id), set.micro_batch));
    return it->second;
}

void HeldWeights::add_share(OperatorId id, const WeightSet& set) {
    each_matrix(held_.at(id).gradient, reduced(id, set), [](Matrix& sum, Matrix& one) { sum += one; });
    reduced_.erase({id, set.micro_batch, set.slice});
}

void HeldWeights::give_back(const WeightSet& set) {
    for (const OperatorId id : owners(set)) {
        Held& held = held_.at(id);
        if (held.sharded && --held.copies == 0) fill(held.working, kNotThere);
    }
}

void HeldWeights::check_gradient(OperatorId id, Held& held, double tolerance) {
    Weights expected = share_of(problem_, id, reference_.gradients.at(problem_.owner(id)), share_);
    each_matrix(held.gradient, expected, [&](Matrix& ours, Matrix& theirs) {
        const double scale = std::max(largest(theirs), kSmallestScale * reference_.largest_gradient);
        const double error = difference(ours, theirs, held.division) / scale;
        if (std::isfinite(error)) worst_gradient = std::max(worst_gradient, error);
        if (error <= tolerance) return;
        throw Fault(fmt::format("updates {} with a gradient that {}", name(id),
                                std::isfinite(error)
                                    ? fmt::format("differs from the reference by {:.1e} of it", error)
                                    : "is not there (not reduced, or only to other ranks)"));
    });
}

void HeldWeights::update(double tolerance) {
    for (auto& entry : held_) {
        Held& held = entry.second;
        check_gradient(entry.first, held, tolerance);
        each_matrix(held.main, held.gradient, [&](Matrix& weight, Matrix& gradient) {
            const auto own = own_part(weight.size(), held.division);
            for (Eigen::Index i = own.first; i < own.first + own.second; ++i)
                weight.data()[i] = adam_first_step(weight.data()[i], gradient.data()[i]);
        });
        if (held.sharded) continue;
        held.working = held.main;
        numeric::keep_own_part(held.working, held.division);
    }
}

void HeldWeights::check_updated(double tolerance) {
    for (auto& [id, held] : held_) check_weights(id, held, tolerance);
}

void HeldWeights::check_weights(OperatorId id, Held& held, double tolerance) {
    Weights expected = share_of(problem_, id, reference_.updated.at(problem_.owner(id)), share_);
    // What was gathered at the step's begin is gathered anew at the next one's.
    const bool whole = held.begins_whole && !held.sharded;
    const Share division = whole ? Share{} : held.division;
    each_matrix(whole ? held.working : held.main, expected, [&](Matrix& ours, Matrix& theirs) {
        if (theirs.size() == 0) return;
        const double error = difference(ours, theirs, division) / largest(theirs);
        if (std::isfinite(error)) worst_weight = std::max(worst_weight, error);
        if (error <= tolerance) return;
        throw Fault(fmt::format("ends with weights of {} that {}", name(id),
                                std::isfinite(error)
                                    ? fmt::format("differ from the reference by {:.1e} of them", error)
                                    : "are not whole: other ranks' updates have not come"));
    });
}

}  // namespace orrery::study::numeric
