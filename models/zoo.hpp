// models/zoo.hpp
//
// Reads a transformer's shape: by its name in models/zoo, from a file, or from a map written in place.
//
//     model: gpt3-175b
//     model: my/model.yaml
//     model: {family: llama, layers: 12, hidden: 4096, heads: 32, ffn_hidden: 11008, vocab: 32000,
//     seq_length: 4096} model: {base: llama3-70b, layers: 12}
//
// Defaults follow the family. gpt: ffn 4h, GELU, layer norm, learned positions, biases, tied embeddings,
// dropout 0.1. llama: SwiGLU, RMS norm, rotary positions, no bias, untied embeddings, no dropout; ffn_hidden
// must be given. t5: encoder and decoder, ReLU, RMS norm, relative positions, no bias, tied embeddings.
//
// Several towers (models/towers.hpp), here of CLIP; `fusion: concatenate` or `project` takes the keys of a
// trunk as well, whose sequence length follows from the towers':
//
//     model: {fusion: contrastive, embedding_width: 512, dropout: 0, towers: [
//       {name: text, layers: 12, hidden: 512, heads: 8, vocab: 49408, seq_length: 77},
//       {name: image, layers: 12, hidden: 768, heads: 12, patches: {image: 224, patch: 32}}]}
#pragma once

#include <string>
#include <vector>

#include "core/schema.hpp"
#include "models/transformer.hpp"

namespace orrery::models {

/// Keys of a model's map.
const schema::Table<TransformerShape>& transformer_table();

/// Keys of one of its towers.
const schema::Table<TransformerShape>& tower_table();

/// The model of that name in models/zoo, or of the file at that path. Throws InputError.
TransformerShape load_transformer(const std::string& name_or_path);

/// Reads the value of a key `key` of the scope: a name, a path, or a map. Mistakes go to the scope.
void read_transformer(TransformerShape& shape, const yaml::Node& node, std::string_view key,
                      const schema::Scope& scope);

/// JSON Schema of that value.
schema::Shape transformer_value_shape();

/// Names in models/zoo, sorted.
std::vector<std::string> transformer_names();

}  // namespace orrery::models
