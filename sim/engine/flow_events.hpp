// sim/engine/flow_events.hpp
//
// The event queue of the engine flow: a heap of four children a node over a fixed set of slots, each of which
// has at most one event. An event can be moved or withdrawn. Order: by time, equal times by slot, so that the
// same input gives the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace orrery::sim {

class FlowEvents {
  public:
    explicit FlowEvents(std::size_t slots) : place(slots, kNowhere) {}

    [[nodiscard]] bool empty() const { return heap.empty(); }
    [[nodiscard]] double time() const { return heap.front().time; }
    [[nodiscard]] std::uint32_t slot() const { return heap.front().slot; }

    /// Puts the slot's event at that time, wherever it was before.
    void set(std::uint32_t slot, double time) {
        const Event event{time, slot};
        std::uint32_t at = place[slot];
        if (at == kNowhere) {
            heap.push_back(event);
            up(static_cast<std::uint32_t>(heap.size() - 1), event);
        } else if (before(event, heap[at])) {
            up(at, event);
        } else {
            down(at, event);
        }
    }

    /// Takes the slot's event back, if it has one.
    void withdraw(std::uint32_t slot) {
        const std::uint32_t at = place[slot];
        if (at == kNowhere) return;
        place[slot] = kNowhere;
        const Event last = heap.back();
        heap.pop_back();
        if (at == heap.size()) return;
        if (before(last, heap[at]))
            up(at, last);
        else
            down(at, last);
    }

    /// Removes the first event.
    void pop() { withdraw(slot()); }

  private:
    struct Event {
        double time = 0;
        std::uint32_t slot = 0;
    };
    static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t kChildren = 4;

    static bool before(const Event& a, const Event& b) {
        return a.time != b.time ? a.time < b.time : a.slot < b.slot;
    }

    void put(std::uint32_t at, const Event& event) {
        heap[at] = event;
        place[event.slot] = at;
    }

    void up(std::uint32_t at, const Event& event) {
        while (at > 0) {
            const std::uint32_t parent = (at - 1) / kChildren;
            if (!before(event, heap[parent])) break;
            put(at, heap[parent]);
            at = parent;
        }
        put(at, event);
    }

    void down(std::uint32_t at, const Event& event) {
        const auto size = static_cast<std::uint32_t>(heap.size());
        while (true) {
            const std::uint32_t first = at * kChildren + 1;
            if (first >= size) break;
            std::uint32_t least = first;
            for (std::uint32_t c = first + 1; c < first + kChildren && c < size; ++c)
                if (before(heap[c], heap[least])) least = c;
            if (!before(heap[least], event)) break;
            put(at, heap[least]);
            at = least;
        }
        put(at, event);
    }

    std::vector<Event> heap;
    std::vector<std::uint32_t> place;  ///< [slot] in the heap, or kNowhere
};

}  // namespace orrery::sim
