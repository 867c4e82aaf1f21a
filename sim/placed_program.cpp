#include "sim/placed_program.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "sim/cost/group_placement.hpp"

namespace orrery::sim {
namespace {

using Colour = std::uint32_t;
using Words = std::vector<std::uint64_t>;

/// Equal words get equal colours, numbered in order of appearance.
class Palette {
  public:
    Colour of(Words words) {
        return seen_.emplace(std::move(words), static_cast<Colour>(seen_.size())).first->second;
    }
    [[nodiscard]] std::size_t size() const { return seen_.size(); }

  private:
    std::map<Words, Colour> seen_;
};

class Placing {
  public:
    Placing(const Program& program, const topologies::Cluster& on) : whole(program), cluster(on) {
        find_exchanges();
        slot_in.resize(whole.communicators.size());
        for (std::size_t r = 0; r < whole.ranks.size(); ++r)
            for (std::size_t s = 0; s < whole.ranks[r].communicators.size(); ++s)
                slot_in[whole.ranks[r].communicators[s]()].emplace_back(r, s);
        places.reserve(whole.communicators.size());
        for (std::size_t c = 0; c < whole.communicators.size(); ++c) places.push_back(place_of(c));
        refine();
    }

    Program placed(bool fold) {
        if (fold && !folds()) fold = false;
        Program program;
        program.names = whole.names;
        program.matrices = whole.matrices;
        write_rank_programs(program);
        add_ranks(program, fold);
        program.first_task.push_back(0);
        for (const Rank& rank : program.ranks)
            program.first_task.push_back(program.first_task.back() +
                                         program.rank_programs[rank.program].size());
        return program;
    }

  private:
    /// Communicators with an all-to-all-v: there it counts who of the members lies where.
    void find_exchanges() {
        exchanges.assign(whole.communicators.size(), false);
        std::vector<std::set<std::uint32_t>> slots(whole.rank_programs.size());
        for (std::size_t p = 0; p < whole.rank_programs.size(); ++p) {
            const RankProgram& tasks = whole.rank_programs[p];
            for (std::size_t t = 0; t < tasks.size(); ++t) {
                const auto* work = std::get_if<Collective>(&whole.works[tasks.work[t]()]);
                if (work != nullptr && work->kind == CollectiveKind::all_to_all_v)
                    slots[p].insert(tasks.communicator_slot[t]);
            }
        }
        for (const Rank& rank : whole.ranks)
            for (const std::uint32_t slot : slots[rank.program]) exchanges[rank.communicators[slot]()] = true;
    }

    [[nodiscard]] std::vector<std::uint32_t> devices_of(std::size_t communicator) const {
        std::vector<std::uint32_t> devices;
        for (const RankId member : whole.communicators[communicator].members)
            devices.push_back(whole.ranks[member()].device);
        return devices;
    }

    /// What a communicator's prices depend on.
    Colour place_of(std::size_t communicator) {
        const std::vector<std::uint32_t> devices = devices_of(communicator);
        const GroupPlacement at = place_group(devices, cluster);
        Words words{static_cast<std::uint64_t>(at.ranks), static_cast<std::uint64_t>(at.nodes),
                    static_cast<std::uint64_t>(at.least_per_node),
                    static_cast<std::uint64_t>(at.most_per_node),
                    static_cast<std::uint64_t>(at.root_members)};
        for (const double figure :
             {at.sharing_members, at.link_bandwidth, at.network_bandwidth, at.ring_share, at.pairwise_share,
              at.link_latency_s, at.network_latency_s})
            words.push_back(std::bit_cast<std::uint64_t>(figure));
        std::set<std::size_t> kinds;
        for (const std::uint32_t device : devices) kinds.insert(cluster.kind_index(device));
        words.insert(words.end(), kinds.begin(), kinds.end());
        if (exchanges[communicator]) append_places(words, devices);
        return place_palette.of(std::move(words));
    }

    /// Each member's node, NIC and leaf, numbered as they come up.
    void append_places(Words& words, const std::vector<std::uint32_t>& devices) const {
        std::map<int, std::uint64_t> nodes;
        std::map<int, std::uint64_t> leaves;
        const int per_leaf = cluster.fabric.nodes_per_leaf;
        for (const std::uint32_t device : devices) {
            const int node = cluster.node_of(device);
            words.push_back(cluster.kind_index(device));
            words.push_back(nodes.emplace(node, nodes.size()).first->second);
            words.push_back(static_cast<std::uint64_t>(cluster.place_in_node(device)));
            words.push_back(leaves.emplace(per_leaf > 0 ? node / per_leaf : 0, leaves.size()).first->second);
        }
    }

    void refine() {
        Palette first;
        rank_colour.reserve(whole.ranks.size());
        for (const Rank& rank : whole.ranks)
            rank_colour.push_back(first.of({rank.program, cluster.kind_index(rank.device)}));
        for (std::size_t before = 0, now = first.size(); now != before;) {
            colour_communicators();
            Palette next;
            for (std::size_t r = 0; r < whole.ranks.size(); ++r) {
                Words words{rank_colour[r]};
                for (const CommunicatorId c : whole.ranks[r].communicators)
                    words.push_back(communicator_colour[c()]);
                rank_colour[r] = next.of(std::move(words));
            }
            before = now;
            now = next.size();
        }
        colour_communicators();
    }

    void colour_communicators() {
        Palette palette;
        communicator_colour.resize(whole.communicators.size());
        for (std::size_t c = 0; c < whole.communicators.size(); ++c) {
            std::vector<std::pair<Colour, std::uint64_t>> members;
            for (const auto& [rank, slot] : slot_in[c]) members.emplace_back(rank_colour[rank], slot);
            if (!exchanges[c]) std::sort(members.begin(), members.end());
            Words words{places[c], whole.communicators[c].operations};
            for (const auto& [colour, slot] : members) words.insert(words.end(), {colour, slot});
            communicator_colour[c] = palette.of(std::move(words));
        }
    }

    /// No rank is in two communicators of one colour: folded they would be one, which the rank enters twice.
    [[nodiscard]] bool folds() const {
        for (const Rank& rank : whole.ranks) {
            std::set<Colour> mine;
            for (const CommunicatorId c : rank.communicators)
                if (!mine.insert(communicator_colour[c()]).second) return false;
        }
        return true;
    }

    /// One rank program for each colour, made of that of its first rank.
    void write_rank_programs(Program& program) {
        std::map<std::tuple<std::uint32_t, std::uint32_t>, WorkId> index;  // work, kind or group
        std::map<Colour, std::uint32_t> groups;                            // of communicators
        const auto group_of = [&](std::size_t communicator) {
            const auto [at, fresh] = groups.emplace(communicator_colour[communicator],
                                                    static_cast<std::uint32_t>(program.groups.size()));
            if (fresh) program.groups.push_back({devices_of(communicator)});
            return at->second;
        };
        for (std::size_t r = 0; r < whole.ranks.size(); ++r) {
            if (rank_colour[r] < program.rank_programs.size()) continue;
            const Rank& rank = whole.ranks[r];
            RankProgram tasks = whole.rank_programs[rank.program];
            const auto kind = static_cast<std::uint16_t>(cluster.kind_index(rank.device));
            for (std::size_t t = 0; t < tasks.size(); ++t) {
                const std::uint32_t slot = tasks.communicator_slot[t];
                const std::uint32_t place =
                    slot == kNoCommunicator ? kind : group_of(rank.communicators[slot]());
                const auto [at, fresh] =
                    index.emplace(std::tuple(tasks.work[t].value, place), WorkId(program.works.size()));
                if (fresh) program.works.push_back(at_place(whole.works[tasks.work[t]()], place));
                tasks.work[t] = at->second;
            }
            program.rank_programs.push_back(std::move(tasks));
        }
    }

    static Work at_place(Work work, std::uint32_t place) {
        if (auto* kernels = std::get_if<KernelSequence>(&work)) {
            kernels->node_kind = static_cast<std::uint16_t>(place);
        } else if (auto* copy = std::get_if<Copy>(&work)) {
            copy->node_kind = static_cast<std::uint16_t>(place);
        } else {
            std::get<Collective>(work).group = place;
        }
        return work;
    }

    void add_ranks(Program& program, bool fold) {
        std::map<std::uint32_t, CommunicatorId> made;  // by colour, or by number where all are simulated
        std::vector<std::uint32_t> standing(program.rank_programs.size(), 0);
        for (const Colour colour : rank_colour) ++standing[colour];
        std::vector<bool> known(program.rank_programs.size(), false);
        for (std::size_t r = 0; r < whole.ranks.size(); ++r) {
            if (fold && known[rank_colour[r]]) continue;
            known[rank_colour[r]] = true;
            const RankId id(program.ranks.size());
            Rank rank = whole.ranks[r];
            rank.program = rank_colour[r];
            if (fold) rank.multiplicity = standing[rank_colour[r]];
            for (CommunicatorId& c : rank.communicators) {
                const std::uint32_t key = fold ? communicator_colour[c()] : c.value;
                const auto [at, fresh] = made.emplace(key, CommunicatorId(program.communicators.size()));
                if (fresh) {
                    const Communicator& from = whole.communicators[c()];
                    program.communicators.push_back({from.operations, {}, from.name});
                }
                program.communicators[at->second()].members.push_back(id);
                c = at->second;
            }
            program.ranks.push_back(std::move(rank));
        }
    }

    const Program& whole;
    const topologies::Cluster& cluster;
    std::vector<bool> exchanges;                                            ///< [communicator]
    std::vector<std::vector<std::pair<std::size_t, std::size_t>>> slot_in;  ///< [communicator] rank, slot
    Palette place_palette;
    std::vector<Colour> places;               ///< [communicator]
    std::vector<Colour> rank_colour;          ///< [rank]
    std::vector<Colour> communicator_colour;  ///< [communicator]
};

}  // namespace

Program placed_program(const Program& whole, const topologies::Cluster& cluster, bool fold) {
    return Placing(whole, cluster).placed(fold);
}

}  // namespace orrery::sim
