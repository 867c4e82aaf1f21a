#include "models/parameters.hpp"

namespace orrery::models {

ParameterCount count_parameters(const TransformerShape& shape) {
    const std::int64_t h = shape.hidden;
    const std::int64_t f = shape.ffn_hidden;
    const std::int64_t q = shape.heads * shape.head_dim;
    const std::int64_t k = shape.kv_heads * shape.head_dim;
    const std::int64_t up_projections = shape.activation == ActivationKind::swiglu ? 2 : 1;
    const bool norm_bias = shape.norm == NormKind::layer_norm && shape.bias;
    const std::int64_t norm = norm_bias ? 2 * h : h;

    ParameterCount count;
    count.layers = shape.layers;
    count.embedding = shape.vocab * h + (shape.embedding_norm ? norm : 0);
    count.position = shape.position == PositionKind::learned ? shape.seq_length * h : 0;
    count.attention = h * (q + 2 * k) + q * h + (shape.bias ? q + 2 * k + h : 0);
    count.feed_forward = (up_projections + 1) * h * f + (shape.bias ? up_projections * f + h : 0);
    count.norms = 2 * norm;
    count.final_norm = norm;
    count.output = shape.tied_embeddings ? 0 : shape.vocab * h;
    return count;
}

}  // namespace orrery::models
