// sim/engine/collective_steps/message_list.hpp
//
// A collective as point-to-point messages, structure-of-arrays: who sends how many bytes to whom, and after
// what. Engines that move messages read it; bytes by link follow from it.
//
// Positions 0 .. members-1 are the members of the collective in the order of its group; higher ones are
// switches that reduce or copy (NVSwitch, SHARP).
//
// Order. A position has lanes (an NCCL channel, an MPI process): a lane sends its messages one after the
// other, each when the one before has left all its links. Messages of a lane stand together. A message
// moreover waits for the arrival of the messages that its lane received before it. Lanes do not wait for each
// other.
//
// Payload (kept on demand, for tests and for people): the buffer is cut into `blocks`, and a message carries
// ranges of them, either to be added to what the receiver has (reduce) or to replace it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace orrery::sim {

struct BlockRange {
    std::uint32_t first = 0;
    std::uint32_t count = 1;
    bool reduce = false;
};

/// Where a switch position stands in the network.
struct SwitchPlace {
    enum class Level : std::uint8_t { node, leaf, root };
    Level level = Level::node;
    std::uint32_t member = 0;  ///< a member in that node, or below that leaf
};

struct MessageList {
    std::uint32_t members = 0;
    std::vector<SwitchPlace> switches;  ///< of positions members, members + 1, ...

    std::vector<std::uint32_t> from;        ///< [message] position
    std::vector<std::uint32_t> to;          ///< [message] position
    std::vector<double> bytes;              ///< [message]
    std::vector<std::uint8_t> begins_lane;  ///< [message] 1: the first of its lane
    std::vector<std::uint32_t> waits_for;   ///< [message] how many arrivals it waits for
    /// [message + 1] into `unlocks`: the messages that wait for its arrival.
    std::vector<std::uint32_t> unlock_begin;
    std::vector<std::uint32_t> unlocks;

    std::uint32_t blocks = 0;                  ///< of the payload
    std::vector<std::uint32_t> payload_begin;  ///< [message + 1] into `payload`; empty when not kept
    std::vector<BlockRange> payload;

    [[nodiscard]] std::size_t size() const { return from.size(); }
    [[nodiscard]] std::uint32_t positions() const {
        return members + static_cast<std::uint32_t>(switches.size());
    }
};

/// Writes a MessageList lane by lane, in the manner of a message-passing program.
class MessageListBuilder {
  public:
    /// `block_bytes` gives each block's bytes; one entry means all `blocks` are alike.
    MessageListBuilder(std::uint32_t members, std::uint32_t blocks, std::vector<double> block_bytes,
                       bool keep_payload);

    std::uint32_t add_switch(SwitchPlace place);
    void reserve(std::size_t messages);

    /// Begins a lane of that position.
    void lane(std::uint32_t position);
    /// The lane's later sends wait for the next message from `from` with this tag. Several lanes of a
    /// position may receive the same message.
    void receive(std::uint32_t from, std::uint32_t tag = 0);
    void send(std::uint32_t to, std::span<const BlockRange> what, std::uint32_t tag = 0);
    void send(std::uint32_t to, BlockRange what, std::uint32_t tag = 0) {
        send(to, std::span(&what, 1), tag);
    }
    /// Nothing but a signal.
    void signal(std::uint32_t to, std::uint32_t tag = 0) { send(to, std::span<const BlockRange>{}, tag); }

    /// The j-th receive of (from, tag) in a lane is of the j-th such message sent to its position. Throws
    /// SimulationError naming the positions of a receive that no message answers and of a message that nobody
    /// receives.
    MessageList finish();

  private:
    struct Receive {
        std::uint32_t position;
        std::uint32_t from;
        std::uint32_t tag;
        std::uint32_t lane;
        std::uint32_t needed_by;  ///< message, or kNothing
    };
    void match_position(std::span<const std::uint32_t> sent, std::span<Receive> received,
                        std::vector<std::pair<std::uint32_t, std::uint32_t>>& edges) const;

    MessageList list;
    std::vector<double> block_bytes;
    bool keep_payload;
    std::vector<std::uint32_t> tags;  ///< [message]
    std::vector<Receive> receives;
    std::size_t first_unmet = 0;  ///< receives of the current lane that no send has followed yet
    std::uint32_t position = 0;
    std::uint32_t lanes = 0;
    bool fresh_lane = false;
};

}  // namespace orrery::sim
