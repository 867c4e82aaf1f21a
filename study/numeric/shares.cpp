#include "study/numeric/shares.hpp"

#include <algorithm>
#include <vector>

namespace orrery::study::numeric {

using models::Operator;
using models::OperatorKind;
using models::Split;

namespace {

/// Runs of the linear's outputs that are divided each by itself, by what reads them.
std::vector<Eigen::Index> runs_of_outputs(const std::vector<Operator>& operators, int linear) {
    const Operator& op = operators[static_cast<std::size_t>(linear)];
    for (const Operator& reader : operators) {
        if (std::ranges::find(reader.inputs, linear) == reader.inputs.end()) continue;
        if (reader.kind == OperatorKind::rotary || reader.kind == OperatorKind::head_norm ||
            reader.kind == OperatorKind::core_attention)
            return {reader.heads * reader.head_dim, reader.kv_heads * reader.head_dim,
                    reader.kv_heads * reader.value_dim};
        if (reader.kind == OperatorKind::activation && models::is_gated(reader.activation))
            return {op.out_features / 2, op.out_features / 2};
    }
    return {op.out_features};
}

Matrix rows_of_runs(const Matrix& whole, const std::vector<Eigen::Index>& runs, Share share) {
    if (whole.size() == 0) return whole;
    Matrix part(whole.rows() / share.ranks, whole.cols());
    Eigen::Index from = 0;
    Eigen::Index to = 0;
    for (const Eigen::Index run : runs) {
        const Eigen::Index length = run / share.ranks;
        part.middleRows(to, length) = whole.middleRows(from + share.rank * length, length);
        from += run;
        to += length;
    }
    return part;
}

}  // namespace

Weights share_of(const Problem& problem, OperatorId id, const Weights& whole, Share share) {
    const std::vector<Operator>& operators = problem.operators(id.node);
    const Operator& op = operators[static_cast<std::size_t>(id.op)];
    if (op.kind == OperatorKind::token_embedding ||
        (op.kind == OperatorKind::linear && op.split == Split::vocabulary))
        return {rows_of_runs(whole.weight, {whole.weight.rows()}, share), whole.bias};
    if (op.kind != OperatorKind::linear) return whole;
    if (op.split == Split::row) {
        const Eigen::Index length = whole.weight.cols() / share.ranks;
        return {whole.weight.middleCols(share.rank * length, length), whole.bias};
    }
    if (op.split != Split::column) return whole;
    const std::vector<Eigen::Index> runs = runs_of_outputs(operators, id.op);
    return {rows_of_runs(whole.weight, runs, share),
            rows_of_runs(whole.bias.transpose(), runs, share).transpose()};
}

std::pair<Eigen::Index, Eigen::Index> own_part(Eigen::Index elements, Share division) {
    const Eigen::Index length = (elements + division.ranks - 1) / division.ranks;
    const Eigen::Index begin = std::min(elements, division.rank * length);
    return {begin, std::min(length, elements - begin)};
}

}  // namespace orrery::study::numeric
