// models/transformer.hpp
//
// The shape of a decoder-only transformer, as models/zoo/*.yaml and an experiment's `model:` map describe it.
#pragma once

#include <cstdint>
#include <string>

namespace orrery::models {

enum class PositionKind : std::uint8_t { learned, rotary, alibi, none };
enum class NormKind : std::uint8_t { layer_norm, rms_norm };
enum class ActivationKind : std::uint8_t { gelu, swiglu, relu };

struct TransformerShape {
    std::string name;
    std::string family = "gpt";  ///< "gpt" or "llama": sets the defaults of what follows
    std::int64_t layers = 0;
    std::int64_t hidden = 0;
    std::int64_t ffn_hidden = 0;  ///< gpt: 4 x hidden when absent
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;  ///< heads when absent
    std::int64_t head_dim = 0;  ///< hidden / heads when absent
    std::int64_t vocab = 0;
    std::int64_t seq_length = 0;  ///< the length it was trained with; an experiment may override it
    PositionKind position = PositionKind::learned;
    NormKind norm = NormKind::layer_norm;
    ActivationKind activation = ActivationKind::gelu;
    bool bias = true;             ///< on every linear layer and layer norm
    bool tied_embeddings = true;  ///< output projection shares the embedding's weights
    bool embedding_norm = false;  ///< a normalization right after the embedding (BLOOM)
    double dropout = 0.1;         ///< 0: no dropout kernels at all
    /// What the publication says, for tests and `orrery list models`; 0 when it does not.
    double published_parameters = 0;
    std::string source;
};

}  // namespace orrery::models
