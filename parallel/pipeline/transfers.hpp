// parallel/pipeline/transfers.hpp
//
// What flows between pipeline devices, over which channel, and when each side takes part.
//
// A channel is a two-rank communicator: one for each (from, to, direction of the pipeline, activations or
// gradients). Its operations stand in the order in which the sender produces them, and the receiver posts
// them in that order, whatever order it consumes them in.
//
// When a receive is posted. A framework has a buffer for the input of the action at hand and one for the next
// (Megatron posts the receive of the next action with the send of this one): a receive is posted one action
// ahead, when the action before its consumer begins, and together with it those that precede it on its
// channel. A transfer starts when both sides have come to it, so a sender may have to wait. Where sends block
// the sender's compute (overlap_p2p: false) and devices wait for each other's receives in a circle, as
// schedules that send in both directions may, the receive that a blocked sender needs is posted earlier: when
// its receiver reaches the action at which the circle closed. That is what a framework does with the extra
// buffers of batched sends and receives. A circle of orders that no buffer resolves stays: the engine reports
// the deadlock.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "parallel/pipeline/stage_graph.hpp"

namespace orrery::parallel {

struct Channel {
    int from = 0;
    int to = 0;
    int index = 0;  ///< 2 x direction + (0 activations, 1 gradients)
    auto operator<=>(const Channel&) const = default;
};

/// One message: the result of an action, as the device of the next stage receives it.
struct Message {
    std::int32_t micro_batch = 0;
    std::int32_t from_stage = 0;
    std::int32_t to_stage = 0;
    std::int32_t slice = 0;
};

/// A message by its place: the n-th of a channel.
struct Place {
    std::uint32_t channel = 0;
    std::uint32_t number = 0;
};

/// Lists of places by position of a device's order.
struct PlacesByPosition {
    std::vector<std::uint32_t> begin;  ///< one more than positions
    std::vector<Place> places;
    [[nodiscard]] std::span<const Place> at(std::size_t position) const {
        return std::span(places).subspan(begin[position], begin[position + 1] - begin[position]);
    }
};

class Transfers {
  public:
    /// `sends_block`: a device goes on to its next action only when its sends have been received.
    Transfers(const schedules::Schedule& schedule, const StageGraph& graph, bool sends_block);

    [[nodiscard]] const Channel& channel(std::uint32_t index) const { return channels_[index]; }
    [[nodiscard]] const Message& message(Place place) const { return messages_[place.channel][place.number]; }
    [[nodiscard]] std::size_t channels() const { return channels_.size(); }
    [[nodiscard]] std::size_t messages(std::uint32_t channel) const { return messages_[channel].size(); }

    /// Receives that the device posts before it begins the action at that position of its order.
    [[nodiscard]] std::span<const Place> posted(int device, std::size_t position) const;
    /// Messages that the action waits for, and those it sends.
    [[nodiscard]] std::span<const Place> awaited(int device, std::size_t position) const;
    [[nodiscard]] std::span<const Place> sent(int device, std::size_t position) const;

  private:
    std::vector<Channel> channels_;
    std::vector<std::vector<Message>> messages_;  ///< [channel] in the sender's order
    std::vector<PlacesByPosition> posted_;        ///< [device]
    std::vector<PlacesByPosition> awaited_;
    std::vector<PlacesByPosition> sent_;

    friend class TransferCollection;
};

}  // namespace orrery::parallel
