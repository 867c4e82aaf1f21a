// study/numeric/exchange_weights.hpp
//
// Operations of data parallelism: weights gathered, gradients summed. exchange.hpp chooses among them.
#pragma once

#include <vector>

#include "study/numeric/exchange.hpp"

namespace orrery::study::numeric {

/// Each member's own part of the weights to all others.
Volume gather_weights(std::vector<Member>& members);
/// Gradients summed over the members: all of them to each, or to each its part.
Volume reduce_gradients(const sim::Collective& operation, std::vector<Member>& members);
/// The same of those that tensor-parallel ranks have summands of.
Volume reduce_partial(const sim::Collective& operation, std::vector<Member>& members);
/// Parts of one micro-batch's gradients, summed over the groups that divide weights alike.
Volume reduce_shares(std::vector<Member>& members);
/// The embedding's gradient over the devices that hold its weights.
Volume reduce_table(const sim::Collective& operation, std::vector<Member>& members);

}  // namespace orrery::study::numeric
