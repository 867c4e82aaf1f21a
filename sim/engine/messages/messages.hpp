// sim/engine/messages/messages.hpp
//
// Engine `messages`: one collective moved message by message, event-driven.
//
// Links serve first come, first served (serialisation, not sharing). When all that a message waits for is
// over, its head reaches the first link of its route and queues there; when the link turns to it, the head
// goes on to the next link and queues again (cut-through: the head does not wait for the tail), while the
// link stays busy for bytes / bandwidth. The message has left its links when the last of them has sent its
// tail, no sooner than the tail has passed the ones before; it arrives the route's latency later. Switches
// hold what waits, however much. For equal messages this gives a link's users the same share as fluid sharing
// does, in turns: an incast of k lasts as long as k messages one after the other. Engine `simgrid` shares
// fluidly; both agree exactly where no two messages meet, and on an incast (tests/sim/messages_test.cpp).
//
// O(messages x links of a route x log of those in flight); 1 queue entry a message where no link is waited
// for.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/messages/message_routes.hpp"

namespace orrery::sim {

struct MessageTimes {
    double time_s = 0;  ///< from the start until the last message has arrived
    std::uint64_t events = 0;
    /// When each message has left its links; empty unless asked for.
    std::vector<double> left_s;
};

/// Moves the messages. Throws SimulationError, naming positions and messages of the cycle, where messages
/// wait for each other.
MessageTimes move_messages(const MessageList& messages, const MessageRoutes& routes, double start_s = 0,
                           bool keep_times = false);

}  // namespace orrery::sim
