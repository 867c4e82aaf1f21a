#include "sim/engine/flow_shares.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace orrery::sim {
namespace {

/// Relative: sums of demands that should meet a capacity exactly miss it by rounding.
constexpr double kSlack = 1e-9;

}  // namespace

FlowShares::FlowShares(std::vector<double> capacity, std::size_t load_count)
    : links(capacity.size()), loads(load_count) {
    for (std::size_t l = 0; l < links.size(); ++l) links[l].capacity = capacity[l];
}

bool FlowShares::tight(const Link& link) {
    return link.demand > link.capacity * (1 + kSlack);
}

void FlowShares::touch(std::uint32_t load) {
    if (loads[load].touched) return;
    loads[load].touched = true;
    touched.push_back(load);
}

void FlowShares::touch_loads_of(const Link& link) {
    for (const std::uint32_t load : link.loads) touch(load);
}

void FlowShares::add(std::uint32_t id, const LoadDemand& demand) {
    Load& load = loads[id];
    assert(!load.active);
    load.ask = demand;
    load.speed = 0;
    load.active = true;
    load.began = true;
    for (const LinkDemand& on : demand.footprint) {
        links[on.link].demand += on.demand;
        links[on.link].loads.push_back(id);
    }
    touch(id);
}

void FlowShares::remove(std::uint32_t id) {
    Load& load = loads[id];
    assert(load.active);
    load.active = false;
    for (const LinkDemand& on : load.ask.footprint) {
        Link& link = links[on.link];
        const bool was_tight = tight(link);
        *std::find(link.loads.begin(), link.loads.end(), id) = link.loads.back();
        link.loads.pop_back();
        link.demand = link.loads.empty() ? 0 : link.demand - on.demand;
        if (was_tight) touch_loads_of(link);
    }
}

void FlowShares::set_capacity(std::uint32_t link, double capacity) {
    links[link].capacity = capacity;
    touch_loads_of(links[link]);
}

void FlowShares::settle() {
    changes.clear();
    ++visit;
    for (const std::uint32_t seed : touched) {
        loads[seed].touched = false;
        if (!loads[seed].active || loads[seed].visit == visit) continue;
        collect(seed);
        solve();
        for (const std::uint32_t id : part_loads) {
            Load& load = loads[id];
            if (load.solved != load.speed || load.began) changes.push_back(id);
            load.speed = load.solved;
            load.began = false;
        }
    }
    touched.clear();
}

/// The loads and tight links that hang together with `seed`.
void FlowShares::collect(std::uint32_t seed) {
    part_loads.assign(1, seed);
    part_links.clear();
    loads[seed].visit = visit;
    for (std::size_t i = 0; i < part_loads.size(); ++i)
        for (const LinkDemand& on : loads[part_loads[i]].ask.footprint) {
            Link& link = links[on.link];
            if (link.visit == visit || !tight(link)) continue;
            link.visit = visit;
            part_links.push_back(on.link);
            for (const std::uint32_t other : link.loads) {
                if (loads[other].visit == visit) continue;
                loads[other].visit = visit;
                part_loads.push_back(other);
            }
        }
}

void FlowShares::solve() {
    if (part_links.empty()) {
        for (const std::uint32_t load : part_loads) loads[load].solved = 1;
        return;
    }
    for (const std::uint32_t link : part_links) links[link].room = links[link].capacity;
    std::sort(part_loads.begin(), part_loads.end(), [this](std::uint32_t a, std::uint32_t b) {
        const int first = loads[a].ask.priority;
        const int second = loads[b].ask.priority;
        return first != second ? first > second : a < b;
    });
    for (std::size_t begin = 0; begin < part_loads.size();) {
        std::size_t end = begin;
        const int priority = loads[part_loads[begin]].ask.priority;
        while (end < part_loads.size() && loads[part_loads[end]].ask.priority == priority) ++end;
        fill(std::span(part_loads).subspan(begin, end - begin));
        begin = end;
    }
}

/// Progressive filling: the speeds of `members` rise together until a link is full or a load at full speed;
/// who is held up there stays, the others rise on. A link's level only moves up when loads on it are fixed
/// below it, so an entry of the heap that is out of date is put back with its new level.
void FlowShares::fill(std::span<const std::uint32_t> members) {
    start_rising(members);
    std::size_t left = members.size();
    while (left > 0) {
        assert(!heap.empty());
        const Limit limit = heap.front();
        std::pop_heap(heap.begin(), heap.end());
        heap.pop_back();
        if (limit.is_load) {
            if (loads[limit.index].fixed) continue;
            fix(limit.index, 1);
            --left;
            continue;
        }
        Link& link = links[limit.index];
        if (link.rising == 0) continue;
        const double level = level_of(link);
        if (level > limit.level * (1 + 1e-12)) {
            push({level, limit.index, false});
            continue;
        }
        for (const std::uint32_t id : link.loads) {
            if (loads[id].fixed || loads[id].visit != visit) continue;
            fix(id, std::min(1.0, level * loads[id].per_level));
            --left;
        }
    }
}

void FlowShares::start_rising(std::span<const std::uint32_t> members) {
    heap.clear();
    for (const std::uint32_t id : part_links) {
        links[id].slope = 0;
        links[id].rising = 0;
    }
    for (const std::uint32_t id : part_loads) loads[id].fixed = true;
    for (const std::uint32_t id : members) {
        Load& load = loads[id];
        load.fixed = false;
        load.per_level = load.ask.weight / load.ask.reference;
        heap.push_back({1 / load.per_level, id, true});
        for (const LinkDemand& on : load.ask.footprint) {
            Link& link = links[on.link];
            if (link.visit != visit) continue;
            link.slope += on.demand * load.per_level;
            ++link.rising;
        }
    }
    for (const std::uint32_t id : part_links) links[id].demand_per_level = links[id].slope;
    for (const std::uint32_t id : part_links)
        if (links[id].rising > 0) heap.push_back({level_of(links[id]), id, false});
    std::make_heap(heap.begin(), heap.end());
}

/// The level at which the link is full. Differences of sums lose their digits where little is left of much:
/// no room is then none, and the slope is summed anew.
double FlowShares::level_of(Link& link) {
    if (link.room <= kSlack * link.capacity) return 0;
    if (link.slope < 1e-6 * link.demand_per_level) {
        link.slope = 0;
        for (const std::uint32_t id : link.loads) {
            const Load& load = loads[id];
            if (load.fixed) continue;
            const auto on = std::find_if(load.ask.footprint.begin(), load.ask.footprint.end(),
                                         [&](const LinkDemand& d) { return &links[d.link] == &link; });
            link.slope += on->demand * load.per_level;
        }
        link.demand_per_level = link.slope;
    }
    return link.room / link.slope;
}

void FlowShares::fix(std::uint32_t id, double speed) {
    Load& load = loads[id];
    load.fixed = true;
    load.solved = speed;
    for (const LinkDemand& on : load.ask.footprint) {
        Link& link = links[on.link];
        if (link.visit != visit) continue;
        link.room -= on.demand * speed;
        link.slope -= on.demand * load.per_level;
        --link.rising;
    }
}

void FlowShares::push(const Limit& limit) {
    heap.push_back(limit);
    std::push_heap(heap.begin(), heap.end());
}

}  // namespace orrery::sim
