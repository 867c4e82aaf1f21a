#include "sim/engine/messages/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "core/error.hpp"
#include "core/huge_pages.hpp"

namespace orrery::sim {
namespace {

/// The head of a message reaches a link of its route.
struct Event {
    double time = 0;
    double tail = 0;  ///< when the link before has sent all of it
    std::uint32_t message = 0;
    std::uint32_t hop = 0;

    bool operator>(const Event& other) const {
        return time > other.time || (time == other.time && message > other.message);
    }
};

class Movement {
  public:
    Movement(const MessageList& m, const MessageRoutes& r, double start, bool keep)
        : messages(m),
          routes(r),
          link_free(r.bandwidth.size(), 0),
          waits(make_large_vector<std::uint32_t>(m.size())),
          ready(make_large_vector<double>(m.size())) {
        std::ranges::copy(m.waits_for, waits.begin());
        std::ranges::fill(ready, start);
        seconds_per_byte.reserve(r.bandwidth.size());
        for (const double bandwidth : r.bandwidth) seconds_per_byte.push_back(1 / bandwidth);
        if (keep) result.left_s.resize(m.size());
        for (std::uint32_t i = 0; i < m.size(); ++i) {
            if (m.begins_lane[i] == 0) ++waits[i];
            if (waits[i] == 0) queue.push({start, 0, i, 0});
        }
        result.time_s = m.size() == 0 ? 0 : start;
    }

    MessageTimes run() {
        std::size_t moved = 0;
        while (!queue.empty()) {
            const Event event = queue.top();
            queue.pop();
            ++result.events;
            if (cross(event)) ++moved;
        }
        if (moved < messages.size()) explain_cycle();
        return std::move(result);
    }

  private:
    /// Follows the head as far as it need not wait. True when the message has left its links.
    bool cross(Event at) {
        const auto links = routes.links_of(at.message);
        const double bytes = messages.bytes[at.message];
        for (; at.hop < links.size(); ++at.hop) {
            double& free = link_free[links[at.hop]];
            const double begin = std::max(at.time, free);
            free = begin + bytes * seconds_per_byte[links[at.hop]];
            at.tail = std::max(at.tail, free);
            if (begin > at.time && at.hop + 1 < links.size()) {
                queue.push({begin, at.tail, at.message, at.hop + 1});
                return false;
            }
        }
        leave(at.message, std::max(at.tail, at.time));
        return true;
    }

    void leave(std::uint32_t message, double now) {
        if (!result.left_s.empty()) result.left_s[message] = now;
        if (message + 1 < messages.size() && messages.begins_lane[message + 1] == 0)
            release(message + 1, now);
        const double arrival = now + routes.latency_s[routes.of[message]];
        result.time_s = std::max(result.time_s, arrival);
        for (std::uint32_t u = messages.unlock_begin[message]; u < messages.unlock_begin[message + 1]; ++u)
            release(messages.unlocks[u], arrival);
    }

    void release(std::uint32_t message, double time) {
        ready[message] = std::max(ready[message], time);
        if (--waits[message] == 0) queue.push({ready[message], 0, message, 0});
    }

    /// Follows what waits until a message comes again.
    [[noreturn]] void explain_cycle() const {
        std::vector<std::uint32_t> before(messages.size(), static_cast<std::uint32_t>(messages.size()));
        for (std::uint32_t m = 0; m < messages.size(); ++m) {
            if (waits[m] == 0) continue;
            if (m + 1 < messages.size() && messages.begins_lane[m + 1] == 0) before[m + 1] = m;
            for (std::uint32_t u = messages.unlock_begin[m]; u < messages.unlock_begin[m + 1]; ++u)
                before[messages.unlocks[u]] = m;
        }
        std::uint32_t at = 0;
        while (waits[at] == 0) ++at;
        for (std::size_t step = 0; step < messages.size(); ++step) at = before[at];
        std::vector<std::string> cycle;
        const std::uint32_t first = at;
        do {
            cycle.push_back(
                fmt::format("message {} from position {} to {}", at, messages.from[at], messages.to[at]));
            at = before[at];
        } while (at != first);
        throw SimulationError("messages wait for each other:", cycle);
    }

    const MessageList& messages;
    const MessageRoutes& routes;
    std::vector<double> seconds_per_byte;  ///< [link]
    std::vector<double> link_free;         ///< [link]
    std::vector<std::uint32_t> waits;      ///< [message] arrivals and its lane's turn
    std::vector<double> ready;             ///< [message]
    std::priority_queue<Event, std::vector<Event>, std::greater<>> queue;
    MessageTimes result;
};

}  // namespace

MessageTimes move_messages(const MessageList& messages, const MessageRoutes& routes, double start_s,
                           bool keep_times) {
    return Movement(messages, routes, start_s, keep_times).run();
}

}  // namespace orrery::sim
