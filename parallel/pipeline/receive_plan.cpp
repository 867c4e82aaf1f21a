#include "parallel/pipeline/receive_plan.hpp"

#include <algorithm>
#include <utility>

namespace orrery::parallel {

using schedules::Action;

std::size_t unit_end(const std::vector<Action>& order, std::size_t position) {
    std::size_t end = position + 1;
    if (order[position].overlap < 0) return end;
    while (end < order.size() && order[end].overlap == order[position].overlap) ++end;
    return end;
}

namespace {

class ReceivePlan {
  public:
    ReceivePlan(const schedules::Schedule& schedule, const Transfers& transfers, bool sends_block)
        : schedule_(schedule),
          transfers_(transfers),
          sends_block_(sends_block),
          devices_(schedule.orders.size()),
          posted_(transfers.channels(), 0),
          sent_(transfers.channels(), 0) {}

    std::vector<PlacesByPosition> make() {
        for (std::size_t device = 0; device < devices_.size(); ++device) reach(device);
        bool any = true;
        while (any) {
            any = false;
            for (std::size_t device = 0; device < devices_.size(); ++device)
                while (inputs_sent(device) && sends_received(device)) {
                    run(device);
                    any = true;
                }
            if (!any) any = open_a_circle();
        }
        std::vector<PlacesByPosition> lists;
        for (std::size_t device = 0; device < devices_.size(); ++device) {
            while (!done(device)) run(device);  // a real deadlock: the rest by the plain rule
            lists.push_back(std::move(devices_[device].receives));
        }
        return lists;
    }

  private:
    struct Device {
        std::size_t position = 0;  ///< of the next action
        std::size_t previous = 0;  ///< begin of the unit that ran last
        PlacesByPosition receives;
    };

    const std::vector<Action>& order(std::size_t device) const { return schedule_.orders[device]; }
    bool done(std::size_t device) const { return devices_[device].position >= order(device).size(); }

    template <class Visit>
    void each_awaited(std::size_t device, std::size_t begin, std::size_t end, Visit visit) const {
        for (std::size_t i = begin; i < end; ++i)
            for (const Place place : transfers_.awaited(static_cast<int>(device), i)) visit(place);
    }

    /// Posts the receives of a channel up to that one, at the device's present position.
    void post(Device& device, Place place) {
        for (std::uint32_t& count = posted_[place.channel]; count <= place.number; ++count)
            device.receives.places.push_back({place.channel, count});
    }

    /// The device has come to its next unit: what that and the one after it need is posted.
    void reach(std::size_t id) {
        Device& device = devices_[id];
        device.receives.begin.push_back(static_cast<std::uint32_t>(device.receives.places.size()));
        if (done(id)) return;
        const std::vector<Action>& actions = order(id);
        const auto post_all = [&](Place place) { post(device, place); };
        const std::size_t end = unit_end(actions, device.position);
        each_awaited(id, device.position, end, post_all);
        std::size_t next = end;
        while (next < actions.size() && moves_activations(actions[next].kind)) ++next;
        if (next < actions.size()) each_awaited(id, next, unit_end(actions, next), post_all);
    }

    bool inputs_sent(std::size_t id) const {
        if (done(id)) return false;
        bool all = true;
        each_awaited(id, devices_[id].position, unit_end(order(id), devices_[id].position),
                     [&](Place place) { all = all && sent_[place.channel] > place.number; });
        return all;
    }

    template <class Visit>
    void each_last_sent(std::size_t id, Visit visit) const {
        for (std::size_t i = devices_[id].previous; i < devices_[id].position; ++i)
            for (const Place place : transfers_.sent(static_cast<int>(id), i)) visit(place);
    }
    bool sends_received(std::size_t id) const {
        bool all = true;
        if (sends_block_)
            each_last_sent(id, [&](Place place) { all = all && posted_[place.channel] > place.number; });
        return all;
    }

    void run(std::size_t id) {
        Device& device = devices_[id];
        const std::size_t end = unit_end(order(id), device.position);
        for (std::size_t i = device.position; i < end; ++i)
            for (const Place place : transfers_.sent(static_cast<int>(id), i)) ++sent_[place.channel];
        device.previous = device.position;
        for (std::size_t i = device.position + 1; i < end; ++i)
            device.receives.begin.push_back(static_cast<std::uint32_t>(device.receives.places.size()));
        device.position = end;
        reach(id);
    }

    /// Every device waits. One whose inputs are there waits for a receive of its messages: that is posted
    /// where its receiver stands.
    bool open_a_circle() {
        for (std::size_t id = 0; id < devices_.size(); ++id) {
            if (!inputs_sent(id)) continue;
            each_last_sent(id, [&](Place place) {
                post(devices_[static_cast<std::size_t>(transfers_.channel(place.channel).to)], place);
            });
            return true;
        }
        return false;
    }

    const schedules::Schedule& schedule_;
    const Transfers& transfers_;
    bool sends_block_;
    std::vector<Device> devices_;
    std::vector<std::uint32_t> posted_;  ///< [channel] receives posted
    std::vector<std::uint32_t> sent_;    ///< [channel] messages sent
};

}  // namespace

std::vector<PlacesByPosition> plan_receives(const schedules::Schedule& schedule, const Transfers& transfers,
                                            bool sends_block) {
    return ReceivePlan(schedule, transfers, sends_block).make();
}

}  // namespace orrery::parallel
