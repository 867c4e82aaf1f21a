// models/emit.hpp
//
// From an operator to the kernels that one rank launches for its share, forward and backward.
//
// Memory traffic counts each tensor once per kernel that reads or writes it; matrix products carry their
// shape and are priced by it. Saved activations follow Korthikanti et al. 2022 (arXiv 2205.05198), section 4:
// per GPT block s b h (34 + 5 a s / h) bytes with half precision, divided as tensor and sequence parallelism
// divide it.
#pragma once

#include <cstdint>
#include <vector>

#include "models/graph.hpp"
#include "models/kernel.hpp"
#include "models/software.hpp"

namespace orrery::models {

/// What one rank has of the experts, and how many token copies come to it in one micro-batch.
struct ExpertShare {
    int etp = 1;             ///< ranks that divide each expert
    std::int64_t local = 0;  ///< experts it holds
    double sent = 0;         ///< copies that its own tokens send, those to its own experts included
    double received = 0;  ///< copies that its experts work on: what all senders and its etp group sent them
};

/// The share of the work one rank has in one action.
struct LocalShape {
    std::int64_t batch = 1;  ///< sequences of the micro-batch
    std::int64_t seq = 1;    ///< tokens of each sequence that this action handles (queries)
    std::int64_t keys = 1;   ///< tokens each query may attend to (equals seq unless sliced)
    /// One of several token slices of its sequences: keys and values stand in a cache that later slices read.
    bool sliced = false;
    int tp = 1;
    bool sequence_parallel = false;
    Precision precision = Precision::bf16;
    ExpertShare experts;

    [[nodiscard]] double tokens() const { return static_cast<double>(batch * seq); }
    /// Tokens of this rank where activations are divided along the sequence.
    [[nodiscard]] double divided_tokens() const { return sequence_parallel ? tokens() / tp : tokens(); }
    /// Bytes of an activation element.
    [[nodiscard]] int element() const {
        return precision == Precision::fp32 || precision == Precision::tf32 ? 4 : 2;
    }
};

/// Appends the forward kernels of the operator.
void emit_forward(const Operator& op, const LocalShape& shape, const Software& software,
                  std::vector<Kernel>& out);
/// Appends the kernels of the gradient with respect to its inputs.
void emit_backward_input(const Operator& op, const LocalShape& shape, const Software& software,
                         std::vector<Kernel>& out);
/// Appends the kernels of the gradient with respect to its weights, accumulation into the gradient buffer
/// included.
void emit_backward_weight(const Operator& op, const LocalShape& shape, const Software& software,
                          std::vector<Kernel>& out);

/// The loss that compares every sample of the batch with every other, once all embeddings are on the rank.
/// Each rank computes the rows of its own samples, in both directions (image to text, text to image), and the
/// gradients of both factors; those of the gathered one are summed over the ranks (CLIP, Radford et al. 2021,
/// section 2.5; open_clip's loss with its options local_loss and gather_with_grad).
struct ContrastiveLoss {
    std::vector<Kernel> forward;
    std::vector<Kernel> backward;
    double gathered_bytes = 0;   ///< embeddings of the whole batch, of all towers together
    double workspace_bytes = 0;  ///< similarities and their gradients, gathered embeddings and theirs
};
/// `rows`: samples of the rank, `samples`: of the batch.
ContrastiveLoss contrastive_loss(const Operator& op, std::int64_t rows, std::int64_t samples,
                                 const LocalShape& shape, const Software& software);

/// Bytes the operator keeps from its forward for its backward, on one rank. `checkpointed_attention`:
/// selective recomputation, nothing of the scores is kept.
double saved_activation_bytes(const Operator& op, const LocalShape& shape, const Software& software,
                              bool checkpointed_attention);

/// Keys and values that the operator leaves for later token slices, on one rank: of core attention, 0 of any
/// other.
double key_value_bytes(const Operator& op, const LocalShape& shape);

/// Largest temporary of the operator (attention scores' gradients, fp32 logits), on one rank.
double workspace_bytes(const Operator& op, const LocalShape& shape, const Software& software);

/// Parameters of an expert_linear that one rank holds.
double local_expert_parameters(const Operator& op, const ExpertShare& experts);

/// Parameters of any other operator that one rank of the tensor-parallel group holds; vocabularies are padded
/// as the software does.
double local_parameters(const Operator& op, int tp, const Software& software);

/// The padded vocabulary.
std::int64_t padded_vocabulary(std::int64_t vocab, int tp, const Software& software);

}  // namespace orrery::models
