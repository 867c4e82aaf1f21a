// models/zoo_check.hpp
//
// What must hold between the keys of a model's map. Mistakes go to the scope.
#pragma once

#include "core/schema.hpp"
#include "core/yaml.hpp"
#include "models/transformer.hpp"

namespace orrery::models {

/// The whole of a complete shape, read from `map` or in part from its base; its towers' own keys apart.
void check_shape(const TransformerShape& shape, const yaml::Node& map, const schema::Scope& scope);

/// Each tower against its map in `list`, the value of the key `towers`.
void check_each_tower(const TransformerShape& shape, const yaml::Node& list, const schema::Scope& scope);

}  // namespace orrery::models
