#include "sim/engine/flow_folding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>
#include <utility>

namespace orrery::sim {
namespace {

using Colour = std::uint64_t;

/// splitmix64 (Steele, Lea, Flood 2014).
Colour mixed(Colour word) {
    word += 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27U)) * 0x94d049bb133111ebULL;
    return word ^ (word >> 31U);
}

/// Equal for values that differ by rounding only (to 32 bits of the mantissa, rounded to nearest).
Colour colour_of(double value) {
    return (std::bit_cast<std::uint64_t>(value) + (std::uint64_t{1} << 19U)) >> 20U;
}

/// One load of the whole program, and the folded one that stands for it.
struct Image {
    std::size_t type = 0;
    std::uint32_t first = 0;  ///< its links in Symmetry::on
    std::uint32_t size = 0;
    Colour colour = 0;
};

/// What is folded: a communicator (or rank) of the folded program and a work.
struct Type {
    std::uint32_t owner = 0;
    std::uint32_t work = 0;
    std::vector<std::uint32_t> images;
};

class Symmetry {
  public:
    Symmetry(const Program& f, const Program& w, const TransferCosts& t, const Network& network,
             const topologies::Cluster& cluster)
        : folded(f), whole(w), transfers(t), links(network, cluster) {}

    FoldedLoads run() {
        FoldedLoads result;
        if (result.why_not = match_ranks(); !result.why_not.empty()) return result;
        if (result.why_not = match_communicators(); !result.why_not.empty()) return result;
        collect_images();
        refine();
        for (const Type& type : types)
            for (const std::uint32_t image : type.images)
                if (images[image].colour != images[type.images[0]].colour) {
                    result.why_not = fmt::format("{} does not meet the same links everywhere", name(type));
                    return result;
                }
        result.loads = quotient();
        return result;
    }

  private:
    /// Every rank program has one folded rank, which stands for as many as run it.
    std::string match_ranks() {
        std::vector<std::uint32_t> count(folded.rank_programs.size(), 0);
        rank_of.assign(folded.rank_programs.size(), kNobody);
        for (const Rank& rank : whole.ranks) ++count[rank.program];
        for (std::size_t r = 0; r < folded.ranks.size(); ++r) {
            const Rank& rank = folded.ranks[r];
            if (rank_of[rank.program] != kNobody || count[rank.program] != rank.multiplicity)
                return fmt::format("rank {} does not stand for all that do its work", r);
            rank_of[rank.program] = static_cast<std::uint32_t>(r);
        }
        return "";
    }

    /// Every communicator of the whole program is one of the folded one, and all that are the same one have
    /// equally many members of each sort.
    std::string match_communicators() {
        std::vector<std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t>> members(
            whole.communicators.size());
        folded_communicator.assign(whole.communicators.size(), kNobody);
        for (const Rank& rank : whole.ranks) {
            const Rank& stands_for = folded.ranks[rank_of[rank.program]];
            if (rank.communicators.size() != stands_for.communicators.size())
                return "ranks of one program have different communicators";
            for (std::uint32_t slot = 0; slot < rank.communicators.size(); ++slot) {
                const std::uint32_t mine = rank.communicators[slot].value;
                const std::uint32_t theirs = stands_for.communicators[slot].value;
                if (folded_communicator[mine] != kNobody && folded_communicator[mine] != theirs)
                    return fmt::format("communicator '{}' joins ranks that are folded apart",
                                       whole.communicators[mine].name);
                folded_communicator[mine] = theirs;
                ++members[mine][{rank.program, slot}];
            }
        }
        std::vector<std::uint32_t> example(folded.communicators.size(), kNobody);
        for (std::uint32_t c = 0; c < members.size(); ++c) {
            std::uint32_t& first = example[folded_communicator[c]];
            if (first == kNobody) first = c;
            if (members[c] != members[first])
                return fmt::format("communicators '{}' have different members", whole.communicators[c].name);
        }
        return "";
    }

    void collect_images() {
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> index;
        const auto whole_communicators = static_cast<std::uint32_t>(whole.communicators.size());
        const auto folded_communicators = static_cast<std::uint32_t>(folded.communicators.size());
        for (const OwnedWork& what : owned_works(whole, transfers)) {
            const std::uint32_t owner =
                what.owner < whole_communicators
                    ? folded_communicator[what.owner]
                    : folded_communicators + rank_of[whole.ranks[what.owner - whole_communicators].program];
            const auto [at, fresh] = index.emplace(std::pair(owner, what.work), types.size());
            if (fresh) types.push_back({owner, what.work, {}});
            types[at->second].images.push_back(static_cast<std::uint32_t>(images.size()));
            const std::vector<LinkBytes> traffic = links.traffic(whole, what, transfers);
            images.push_back({at->second, static_cast<std::uint32_t>(on.size()),
                              static_cast<std::uint32_t>(traffic.size()), mixed(at->second)});
            on.insert(on.end(), traffic.begin(), traffic.end());
        }
        std::sort(types.begin(), types.end(), [](const Type& a, const Type& b) {
            return std::pair(a.owner, a.work) < std::pair(b.owner, b.work);
        });
    }

    void refine() {
        link_colour.resize(links.links());
        for (std::size_t l = 0; l < link_colour.size(); ++l)
            link_colour[l] = mixed(colour_of(links.capacity()[l]));
        for (std::size_t before = 0, now = colours(); now != before; before = now, now = colours()) {
            std::vector<Colour> sum(link_colour.size(), 0);
            for (const Image& image : images)
                for (std::uint32_t i = image.first; i < image.first + image.size; ++i)
                    sum[on[i].link] += mixed(image.colour ^ mixed(colour_of(on[i].wire)));
            for (std::size_t l = 0; l < sum.size(); ++l)
                link_colour[l] = mixed(link_colour[l] ^ mixed(sum[l]));
            for (Image& image : images) {
                Colour of_links = 0;
                for (std::uint32_t i = image.first; i < image.first + image.size; ++i)
                    of_links += mixed(link_colour[on[i].link] ^ mixed(colour_of(on[i].wire)));
                image.colour = mixed(image.colour ^ mixed(of_links));
            }
        }
    }

    /// How many classes there are.
    [[nodiscard]] std::size_t colours() const {
        std::vector<Colour> all = link_colour;
        for (const Image& image : images) all.push_back(image.colour);
        std::sort(all.begin(), all.end());
        return static_cast<std::size_t>(std::unique(all.begin(), all.end()) - all.begin());
    }

    /// One link of each class, and on it the loads of all images together.
    FlowLoads quotient() {
        FlowLoads result;
        result.wires = links.wires();
        std::unordered_map<Colour, std::uint32_t> index;
        std::vector<std::uint32_t> class_of(links.links(), kNobody);  // of the first link of each class
        for (std::uint32_t l = 0; l < links.links(); ++l) {
            const auto [at, fresh] =
                index.emplace(link_colour[l], static_cast<std::uint32_t>(result.links.size()));
            result.class_of.push_back(at->second);
            if (!fresh) {
                ++result.links[at->second].multiplicity;
                continue;
            }
            class_of[l] = at->second;
            result.links.push_back(links.link(l));
            result.capacity.push_back(links.capacity()[l]);
        }
        const std::size_t owners = folded.communicators.size() + folded.ranks.size();
        for (const Type& type : types) {
            while (result.first_use.size() <= type.owner)
                result.first_use.push_back(static_cast<std::uint32_t>(result.uses.size()));
            result.uses.push_back({type.work, append(result, type, class_of)});
        }
        while (result.first_use.size() <= owners)
            result.first_use.push_back(static_cast<std::uint32_t>(result.uses.size()));
        return result;
    }

    std::uint32_t append(FlowLoads& result, const Type& type, const std::vector<std::uint32_t>& class_of) {
        const double transfer_s = transfers[type.work].transfer_s;
        const Image& one = images[type.images[0]];
        FlowLoad load{static_cast<std::uint32_t>(result.demands.size()), 0, transfer_s, 1};
        load.reference =
            reference_demand(std::span(on).subspan(one.first, one.size), transfer_s, links.capacity());
        std::map<std::uint32_t, std::pair<double, double>> sum;  // class -> demand, payload
        for (const std::uint32_t image : type.images)
            for (std::uint32_t i = images[image].first; i < images[image].first + images[image].size; ++i) {
                const LinkBytes& bytes = on[i];
                if (class_of[bytes.link] == kNobody) continue;
                auto& [demand, payload] = sum[class_of[bytes.link]];
                demand += std::min(bytes.wire / transfer_s, links.capacity()[bytes.link]);
                payload += bytes.payload;
                if (!bytes.inside_node) result.links[class_of[bytes.link]].between_nodes = true;
            }
        for (const auto& [link, bytes] : sum) {
            result.demands.push_back({link, bytes.first});
            result.payload.push_back(bytes.second);
        }
        load.size = static_cast<std::uint32_t>(sum.size());
        result.loads.push_back(load);
        return static_cast<std::uint32_t>(result.loads.size() - 1);
    }

    [[nodiscard]] std::string name(const Type& type) const {
        if (type.owner >= folded.communicators.size()) return "a copy";
        const auto& work = std::get<Collective>(folded.works[type.work]);
        return fmt::format("the {} of '{}'", to_string(work.kind), folded.communicators[type.owner].name);
    }

    static constexpr std::uint32_t kNobody = 0xFFFFFFFF;

    const Program& folded;
    const Program& whole;
    const TransferCosts& transfers;
    FlowNetwork links;
    std::vector<std::uint32_t> rank_of;              ///< [rank program] folded rank
    std::vector<std::uint32_t> folded_communicator;  ///< [communicator of the whole]
    std::vector<Type> types;
    std::vector<Image> images;
    std::vector<LinkBytes> on;  ///< links of all images
    std::vector<Colour> link_colour;
};

}  // namespace

FoldedLoads folded_flow_loads(const Program& folded, const Program& whole, const TransferCosts& transfers,
                              const Network& network, const topologies::Cluster& cluster) {
    return Symmetry(folded, whole, transfers, network, cluster).run();
}

}  // namespace orrery::sim
