// models/transformer.hpp
//
// The shape of a transformer, as models/zoo/*.yaml and an experiment's `model:` map describe it:
// decoder-only, or encoder-decoder as T5; dense, or with a mixture of experts in some of its layers; or
// several towers, one a modality, that feed a trunk or a loss over the batch (models/towers.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace orrery::models {

enum class PositionKind : std::uint8_t {
    learned,
    rotary,
    alibi,
    relative,  ///< T5: a table of buckets x heads for the encoder and one for the decoder
    none,
};
enum class NormKind : std::uint8_t { layer_norm, rms_norm };
enum class ActivationKind : std::uint8_t { gelu, swiglu, relu, geglu };

/// Whether the feed-forward has a second up-projection that its activation multiplies (Shazeer 2020).
constexpr bool is_gated(ActivationKind activation) {
    return activation == ActivationKind::swiglu || activation == ActivationKind::geglu;
}

enum class AttentionKind : std::uint8_t {
    grouped_query,  ///< kv_heads keys and values; heads of them: plain multi-head attention
    latent,         ///< multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)
};

/// Multi-head latent attention: queries, keys and values are expanded from low-rank latents; a part of each
/// query and key carries the rotary position, and all heads share that part of the key.
struct LatentAttention {
    std::int64_t q_rank = 0;  ///< 0: queries are projected from the hidden state itself
    std::int64_t kv_rank = 0;
    std::int64_t nope_dim = 0;   ///< of a query or key head, without position
    std::int64_t rope_dim = 0;   ///< of a query or key head, with rotary position
    std::int64_t value_dim = 0;  ///< of a value head
};

/// Mixture of experts in place of the feed-forward of some layers (Shazeer et al. 2017; GShard; Switch).
struct ExpertShape {
    std::int64_t count = 0;        ///< routed experts of a layer; 0: the model is dense
    std::int64_t top_k = 1;        ///< of which each token visits
    std::int64_t ffn_hidden = 0;   ///< of one expert
    std::int64_t shared = 0;       ///< experts that every token visits besides
    std::int64_t first_dense = 0;  ///< layers at the start that keep the dense feed-forward
    std::int64_t every = 1;        ///< of the others, each `every`-th has experts: the last of each run
    bool router_bias = false;      ///< one number an expert, added to its score for the choice alone
    std::int64_t groups = 1;  ///< of experts, of which a token visits at most `top_groups` (node-limited)
    std::int64_t top_groups = 1;
    double capacity_factor = 0;  ///< tokens an expert takes at most, against an equal share; 0: all

    [[nodiscard]] bool at(std::int64_t layer) const {
        return count > 0 && layer >= first_dense && (layer - first_dense) % every == every - 1;
    }
    /// Layers of `layers` that have experts.
    [[nodiscard]] std::int64_t layers_of(std::int64_t layers) const {
        return count > 0 && layers > first_dense ? (layers - first_dense) / every : 0;
    }
};

/// An image cut into square patches, each of them projected to a token (ViT, Dosovitskiy et al. 2021, section
/// 3.1).
struct PatchInput {
    std::int64_t image = 0;  ///< pixels of a side; 0: the input is words
    std::int64_t patch = 0;  ///< pixels of a patch's side
    std::int64_t channels = 3;
    bool class_token = true;  ///< a learned token before the patches
    bool bias = false;        ///< of the patches' projection

    [[nodiscard]] std::int64_t tokens() const {
        if (patch == 0) return 0;
        return image / patch * (image / patch) + (class_token ? 1 : 0);
    }
};

/// What becomes of the outputs of several towers.
enum class FusionKind : std::uint8_t {
    concatenate,  ///< their tokens, projected to the trunk's hidden size where theirs differs, in one
                  ///< sequence
    project,      ///< their features, token by token, projected to the trunk's hidden size together
    contrastive,  ///< one embedding each, compared over the whole batch; no trunk (CLIP)
};

struct TransformerShape {
    std::string name;
    std::string family = "gpt";  ///< "gpt", "llama" or "t5": sets the defaults of what follows
    std::int64_t layers = 0;     ///< of the decoder
    std::int64_t hidden = 0;
    std::int64_t ffn_hidden = 0;  ///< gpt: 4 x hidden when absent
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;  ///< heads when absent
    std::int64_t head_dim = 0;  ///< hidden / heads when absent
    std::int64_t vocab = 0;
    std::int64_t seq_length = 0;  ///< the length it was trained with; an experiment may override it
    AttentionKind attention = AttentionKind::grouped_query;
    LatentAttention latent;
    bool qk_norm = false;  ///< queries and keys are normalized, head by head (Qwen3)
    ExpertShape experts;
    std::int64_t predicted_ahead = 0;     ///< multi-token prediction modules (DeepSeek-V3, section 2.2)
    std::int64_t encoder_layers = 0;      ///< 0: decoder-only
    std::int64_t decoder_seq_length = 0;  ///< of an encoder-decoder: tokens the decoder sees of a sequence
    std::int64_t relative_buckets = 0;    ///< of relative positions
    PositionKind position = PositionKind::learned;
    NormKind norm = NormKind::layer_norm;
    ActivationKind activation = ActivationKind::gelu;
    bool bias = true;             ///< on every linear layer and layer norm
    bool tied_embeddings = true;  ///< output projection shares the embedding's weights
    bool embedding_norm = false;  ///< a normalization right after the embedding (BLOOM)
    double dropout = 0.1;         ///< 0: no dropout kernels at all
    bool causal = true;           ///< a token sees those before it only; of a decoder-only stack
    PatchInput patches;           ///< of a tower that reads images
    /// Several towers: what the other keys say is of the trunk, and of the towers where they do not differ.
    std::vector<TransformerShape> towers;
    FusionKind fusion = FusionKind::concatenate;
    std::int64_t embedding_width = 0;  ///< of the embeddings that a contrastive loss compares
    /// What the publication says, for tests and `orrery list models`; 0 when it does not.
    double published_parameters = 0;
    double published_active_parameters = 0;  ///< of a mixture of experts, by one token
    std::string source;

    /// Blocks that a pipeline divides: the trunk's and all towers'.
    [[nodiscard]] std::int64_t blocks() const {
        std::int64_t sum = layers;
        for (const TransformerShape& tower : towers) sum += tower.layers;
        return sum;
    }

    /// Size of a query or key head, and of a value head.
    [[nodiscard]] std::int64_t query_dim() const {
        return attention == AttentionKind::latent ? latent.nope_dim + latent.rope_dim : head_dim;
    }
    [[nodiscard]] std::int64_t value_dim() const {
        return attention == AttentionKind::latent ? latent.value_dim : head_dim;
    }
};

}  // namespace orrery::models
