// models/towers.hpp
//
// Models of several towers, one a modality: each a stack of its own size and sequence, whose outputs a trunk
// reads, or a loss compares.
//
//     words  -> embedding -> blocks -> projection \.
//                                                  fusion -> blocks -> head
//     pixels -> embedding -> blocks -> projection /
//
// A contrastive model (CLIP, Radford et al. 2021, section 2.3) has no trunk: the projections are pooled to
// one embedding a sample, and a loss compares all embeddings of the batch.
#pragma once

#include <vector>

#include "models/graph.hpp"

namespace orrery::models {

/// A model while nodes are added to it; layers of one name are stored once.
class GraphDraft {
  public:
    explicit GraphDraft(Model& model) : model_(model) {}

    /// Adds a node that those nodes feed; returns its number.
    int add(Layer layer, std::vector<int> inputs);
    /// Adds a node that the last one feeds.
    int add(Layer layer);

  private:
    Model& model_;
};

/// Adds all nodes of a shape with towers, tower by tower, then what they feed.
void add_towers(GraphDraft& draft, const TransformerShape& shape);

}  // namespace orrery::models
