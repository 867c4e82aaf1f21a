// sim/engine/flow_transit.hpp
//
// The communications under way in the engine flow. Each has a slot (a communicator has one operation at a
// time, a stream one copy) and goes through
//     joined    from its start: it holds multiprocessors where its kind does
//     moving    after the fixed part: its bytes share the links
//     ended
// The next step of each stands in the event queue.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine/flow_events.hpp"
#include "sim/engine/flow_loads.hpp"
#include "sim/engine/flow_shares.hpp"
#include "sim/engine/flow_usage.hpp"

namespace orrery::sim {

/// What begins.
struct Departure {
    std::uint32_t load = kNoLoad;  ///< none: it only takes its fixed part
    double start = 0;              ///< all members have joined
    double begin = 0;              ///< and all launches are over
    double fixed_s = 0;            ///< before the first byte moves
    bool announced = false;        ///< `start` is an event of its own
    double weight = 1;
    int priority = 0;
};

class FlowTransit {
  public:
    enum class Step : std::uint8_t { joined, moving, ended };

    FlowTransit(const FlowLoads& loads, std::size_t slots, FlowEvents& queue, FlowUsage* usage);

    void depart(std::uint32_t slot, const Departure& departure);
    /// The slot's event has come; says which.
    Step arrive(std::uint32_t slot, double now);
    /// Gives every load the speed that the links leave it from now on.
    void settle(double now);

    void set_capacity(std::uint32_t link, double capacity) { shares.set_capacity(link, capacity); }
    [[nodiscard]] double capacity(std::uint32_t link) const { return shares.capacity(link); }
    /// Slots whose bytes move, or wait to, over the link.
    [[nodiscard]] std::span<const std::uint32_t> on_link(std::uint32_t link) const {
        return shares.on_link(link);
    }
    [[nodiscard]] std::span<const LinkDemand> footprint(std::uint32_t slot) const {
        return table.footprint(flights[slot].what.load);
    }

  private:
    struct Flight {
        Departure what;
        Step next = Step::joined;
        double left_s = 0;  ///< of the transfer, at full speed
        double since = 0;   ///< when left_s was so much
        double speed = 0;
    };

    void move(std::uint32_t slot, Flight& flight, double now);
    void progress(Flight& flight, double now);

    const FlowLoads& table;
    FlowEvents& events;
    FlowUsage* use;
    FlowShares shares;
    std::vector<Flight> flights;  ///< [slot]
};

}  // namespace orrery::sim
