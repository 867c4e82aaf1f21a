// parallel/pipeline.hpp
//
// One pipeline device's actions as tasks: receives, layers, sends, recomputation, activations' memory.
//
// Transfers between two devices use one two-rank communicator per (from, to, activations or gradients,
// direction), whose operations stand in the order in which the sender produces them; the receiver posts them
// in that same order, so that both sides agree whatever order it consumes them in. A framework that does not
// overlap transfers (Megatron's default) waits for each send and posts each receive only when it has nothing
// else to do: plan.parallel.overlap_p2p = false.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "parallel/rank_context.hpp"

namespace orrery::parallel {

/// What flows along one communicator, in the sender's order.
struct Channel {
    int from = 0;
    int to = 0;
    int index = 0;  ///< 2 x direction + (0 activations, 1 gradients)
    auto operator<=>(const Channel&) const = default;
};

/// The result of one action, as the next stage's device receives it.
struct Transfer {
    int micro_batch = 0;
    int stage = 0;  ///< stage that receives
    int slice = 0;
    auto operator<=>(const Transfer&) const = default;
};

struct Transfers {
    std::map<Channel, std::vector<Transfer>> in_order;
};

/// All transfers between different devices that the schedule implies, per channel in the sender's order.
Transfers collect_transfers(const schedules::Schedule& schedule);

/// Appends the whole step of `context.device` to its rank program.
void lower_device(RankContext& context, const schedules::Schedule& schedule,
                  const std::vector<std::vector<int>>& stage_layers, const Transfers& transfers);

}  // namespace orrery::parallel
