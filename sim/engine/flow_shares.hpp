// sim/engine/flow_shares.hpp
//
// How fast each of the transfers under way gets on: weighted max-min fairness over links (Bertsekas and
// Gallager 1992, section 6.5.2), re-solved for the touched part only.
//
// A load is one transfer, however many links it uses: at speed x (1: as fast as alone on the network) it
// takes x * demand_l of every link l of its footprint, so a pipelined collective is one load, held up by its
// most loaded link. Speeds are the max-min ones subject to
//     sum over loads of x * demand_l <= capacity_l    and    x <= 1.
// What is made as equal as possible is the load's rate where it presses hardest, in bytes/s, divided by its
// weight: `reference` is its demand on that link. Two messages on one link so get half of it each. Loads of a
// higher priority are served first, those below share what is left.
//
// Locality. A link whose loads together demand no more than its capacity holds nobody back. Only the others,
// the tight ones, couple loads: a change is followed over tight links and nothing else is looked at. A load
// without a tight link has speed 1 and costs as much as its footprint is long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace orrery::sim {

struct LinkDemand {
    std::uint32_t link = 0;
    double demand = 0;  ///< bytes/s at full speed; > 0, at most the link's nominal capacity
};

/// What a load asks for. The footprint names each link once and outlives the load.
struct LoadDemand {
    std::span<const LinkDemand> footprint;
    double reference = 1;  ///< bytes/s at full speed that fairness counts; > 0
    double weight = 1;     ///< > 0
    int priority = 0;      ///< higher ones are served first
};

class FlowShares {
  public:
    /// `capacity` in bytes/s, each >= 0. Loads are numbered 0 .. loads - 1.
    FlowShares(std::vector<double> capacity, std::size_t loads);

    /// The load begins; its speed is known after `settle`.
    void add(std::uint32_t load, const LoadDemand& demand);
    /// The load ends.
    void remove(std::uint32_t load);
    void set_capacity(std::uint32_t link, double capacity);

    /// Solves what was touched since the last call. `changed()` then names the loads that began or whose
    /// speed moved, each once.
    void settle();
    [[nodiscard]] std::span<const std::uint32_t> changed() const { return changes; }

    [[nodiscard]] double speed(std::uint32_t load) const { return loads[load].speed; }
    [[nodiscard]] double capacity(std::uint32_t link) const { return links[link].capacity; }
    [[nodiscard]] std::span<const std::uint32_t> on_link(std::uint32_t link) const {
        return links[link].loads;
    }
    [[nodiscard]] const LoadDemand& demand(std::uint32_t load) const { return loads[load].ask; }
    [[nodiscard]] std::size_t link_count() const { return links.size(); }

  private:
    struct Link {
        double capacity = 0;
        double demand = 0;  ///< of all its loads at full speed
        double room = 0;    ///< while solving: left by higher priorities, then by loads already fixed
        double slope = 0;   ///< while solving: demand per level of the loads still rising
        double demand_per_level = 0;  ///< while solving: that slope when it was last summed afresh
        std::uint32_t rising = 0;
        std::uint32_t visit = 0;
        std::vector<std::uint32_t> loads;
    };
    struct Load {
        LoadDemand ask;
        double speed = 0;
        double solved = 0;     ///< while solving
        double per_level = 0;  ///< speed per level
        std::uint32_t visit = 0;
        bool active = false;
        bool fixed = false;
        bool touched = false;
        bool began = false;
    };
    /// At `level` a link is full, or a load at full speed.
    struct Limit {
        double level = 0;
        std::uint32_t index = 0;
        bool is_load = false;
        bool operator<(const Limit& other) const {  // the heap's front is the least
            if (level != other.level) return level > other.level;
            if (is_load != other.is_load) return other.is_load;
            return index > other.index;
        }
    };

    [[nodiscard]] static bool tight(const Link& link);
    void touch(std::uint32_t load);
    void touch_loads_of(const Link& link);
    void collect(std::uint32_t seed);
    void solve();
    void fill(std::span<const std::uint32_t> members);
    void start_rising(std::span<const std::uint32_t> members);
    double level_of(Link& link);
    void fix(std::uint32_t load, double speed);
    void push(const Limit& limit);

    std::vector<Link> links;
    std::vector<Load> loads;
    std::vector<std::uint32_t> touched;
    std::vector<std::uint32_t> changes;
    std::vector<std::uint32_t> part_loads;  ///< the part of the network being solved
    std::vector<std::uint32_t> part_links;
    std::vector<Limit> heap;
    std::uint32_t visit = 0;
};

}  // namespace orrery::sim
