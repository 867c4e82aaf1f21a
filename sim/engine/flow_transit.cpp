#include "sim/engine/flow_transit.hpp"

#include <algorithm>

namespace orrery::sim {

FlowTransit::FlowTransit(const FlowLoads& loads, std::size_t slots, FlowEvents& queue, FlowUsage* usage)
    : table(loads), events(queue), use(usage), shares(loads.capacity, slots), flights(slots) {
    if (use != nullptr) use->begin(loads.links.size(), loads.loads.size());
}

void FlowTransit::depart(std::uint32_t slot, const Departure& departure) {
    Flight& flight = flights[slot];
    flight.what = departure;
    flight.next = departure.announced ? Step::joined : Step::moving;
    events.set(slot, departure.announced ? departure.start : departure.begin + departure.fixed_s);
}

FlowTransit::Step FlowTransit::arrive(std::uint32_t slot, double now) {
    Flight& flight = flights[slot];
    const Step step = flight.next;
    switch (step) {
        case Step::joined:
            flight.next = Step::moving;
            events.set(slot, flight.what.begin + flight.what.fixed_s);
            break;
        case Step::moving:
            if (flight.what.load == kNoLoad) return Step::ended;
            move(slot, flight, now);
            break;
        case Step::ended:
            progress(flight, now);
            shares.remove(slot);
            if (use != nullptr) use->ended(flight.what.load);
            break;
    }
    return step;
}

void FlowTransit::move(std::uint32_t slot, Flight& flight, double now) {
    const FlowLoad& load = table.loads[flight.what.load];
    flight.next = Step::ended;
    flight.left_s = load.transfer_s;
    flight.since = now;
    flight.speed = 0;
    shares.add(slot,
               {table.footprint(flight.what.load), load.reference, flight.what.weight, flight.what.priority});
}

void FlowTransit::progress(Flight& flight, double now) {
    if (use != nullptr) use->moved(table.footprint(flight.what.load), flight.since, now, flight.speed);
    flight.left_s -= (now - flight.since) * flight.speed;
    flight.since = now;
}

void FlowTransit::settle(double now) {
    shares.settle();
    for (const std::uint32_t slot : shares.changed()) {
        Flight& flight = flights[slot];
        progress(flight, now);
        flight.speed = shares.speed(slot);
        if (flight.speed > 0)
            events.set(slot, now + std::max(0.0, flight.left_s) / flight.speed);
        else
            events.withdraw(slot);
    }
}

}  // namespace orrery::sim
