// Every algorithm written as messages, followed block by block: who holds whose contributions in the end.
#include "sim/engine/collective_steps/collective_messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

using Kind = CollectiveKind;

constexpr Kind kKinds[] = {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::broadcast,
                           Kind::reduce,     Kind::all_to_all, Kind::all_to_all_v,   Kind::gather,
                           Kind::scatter,    Kind::send_recv,  Kind::barrier};

/// Contributions to a block: of which members.
using Parts = std::vector<bool>;

/// Buffers of all positions, moved by the messages in a random order that their dependencies allow.
class DataFlow {
  public:
    DataFlow(const MessageList& m, Kind k) : messages(m), kind(k), state(m.positions()) {
        for (auto& blocks : state) blocks.assign(m.blocks, Parts(m.members, false));
        for (std::uint32_t i = 0; i < m.members; ++i)
            for (std::uint32_t b = 0; b < m.blocks; ++b)
                if (holds_at_first(i, b)) state[i][b][i] = true;
    }

    /// A message is read from its sender when it leaves, and written when it arrives, some time later.
    void run(std::mt19937& random) {
        std::vector<std::uint32_t> waits = messages.waits_for;
        std::vector<std::uint32_t> able;
        for (std::uint32_t m = 0; m < messages.size(); ++m) {
            if (messages.begins_lane[m] == 0) ++waits[m];
            if (waits[m] == 0) able.push_back(m);
        }
        std::map<std::uint32_t, std::vector<Parts>> flying;
        const auto release = [&](std::uint32_t m) {
            if (--waits[m] == 0) able.push_back(m);
        };
        while (!able.empty() || !flying.empty()) {
            if (!able.empty() && (flying.empty() || random() % 2 == 0)) {
                std::swap(able[random() % able.size()], able.back());
                const std::uint32_t m = able.back();
                able.pop_back();
                flying[m] = read(m);
                if (m + 1 < messages.size() && messages.begins_lane[m + 1] == 0) release(m + 1);
            } else {
                const auto landed = std::next(flying.begin(), static_cast<long>(random() % flying.size()));
                write(landed->first, landed->second);
                ++arrived;
                for (std::uint32_t u = messages.unlock_begin[landed->first];
                     u < messages.unlock_begin[landed->first + 1]; ++u)
                    release(messages.unlocks[u]);
                flying.erase(landed);
            }
        }
        EXPECT_EQ(arrived, messages.size());
    }

    void expect_promise(const TrafficMatrix* matrix = nullptr) const {
        const std::uint32_t n = messages.members;
        for (std::uint32_t i = 0; i < n; ++i)
            for (std::uint32_t b = 0; b < messages.blocks; ++b) {
                const auto wanted = promised(i, b, matrix);
                if (wanted) {
                    EXPECT_EQ(state[i][b], *wanted) << "member " << i << " block " << b;
                }
            }
    }

  private:
    [[nodiscard]] std::uint32_t owner(std::uint32_t block) const {
        return block / (messages.blocks / messages.members);
    }
    [[nodiscard]] Parts only(std::uint32_t member) const {
        Parts parts(messages.members, false);
        parts[member] = true;
        return parts;
    }

    [[nodiscard]] bool holds_at_first(std::uint32_t i, std::uint32_t block) const {
        switch (kind) {
            case Kind::all_reduce:
            case Kind::reduce_scatter:
            case Kind::reduce:
            case Kind::barrier:
                return true;
            case Kind::all_gather:
                return owner(block) == i;
            case Kind::all_to_all:
            case Kind::all_to_all_v:
                return block / messages.members == i;
            case Kind::gather:
                return block == i;
            case Kind::broadcast:
            case Kind::scatter:
            case Kind::send_recv:
                return i == 0;
        }
        return false;
    }

    /// What member i must hold of a block in the end; nothing: whatever it likes.
    [[nodiscard]] std::optional<Parts> promised(std::uint32_t i, std::uint32_t block,
                                                const TrafficMatrix* matrix) const {
        const std::uint32_t n = messages.members;
        const Parts all(n, true);
        switch (kind) {
            case Kind::all_reduce:
            case Kind::barrier:
                return all;
            case Kind::reduce_scatter:
                return owner(block) == i ? std::optional(all) : std::nullopt;
            case Kind::reduce:
                return i == 0 ? std::optional(all) : std::nullopt;
            case Kind::all_gather:
                return only(owner(block));
            case Kind::all_to_all:
            case Kind::all_to_all_v:
                if (block % n != i || (matrix != nullptr && matrix->at(block / n, i) == 0))
                    return std::nullopt;
                return only(block / n);
            case Kind::gather:
                return i == 0 ? std::optional(only(block)) : std::nullopt;
            case Kind::scatter:
                return block == i ? std::optional(only(0)) : std::nullopt;
            case Kind::broadcast:
            case Kind::send_recv:
                return only(0);
        }
        return std::nullopt;
    }

    [[nodiscard]] std::vector<Parts> read(std::uint32_t m) const {
        std::vector<Parts> blocks;
        each_block(m, [&](std::uint32_t b, bool) { blocks.push_back(state[messages.from[m]][b]); });
        return blocks;
    }

    void write(std::uint32_t m, const std::vector<Parts>& blocks) {
        std::size_t next = 0;
        each_block(m, [&](std::uint32_t b, bool reduce) {
            const Parts& got = blocks[next++];
            Parts& has = state[messages.to[m]][b];
            // What is copied over must not hold what the copy lacks; but a switch's sum lies beside what
            // other nodes send meanwhile, and is added to it.
            const bool beside = messages.from[m] >= messages.members;
            for (std::size_t i = 0; i < has.size(); ++i) {
                EXPECT_FALSE(reduce && kind != Kind::barrier && has[i] && got[i])
                    << "added twice, message " << m;
                EXPECT_FALSE(!reduce && !beside && has[i] && !got[i]) << "overwritten, message " << m;
                has[i] = has[i] || got[i];
            }
        });
    }

    template <class Use>
    void each_block(std::uint32_t m, Use use) const {
        for (std::uint32_t p = messages.payload_begin[m]; p < messages.payload_begin[m + 1]; ++p)
            for (std::uint32_t k = 0; k < messages.payload[p].count; ++k)
                use(messages.payload[p].first + k, messages.payload[p].reduce);
    }

    const MessageList& messages;
    Kind kind;
    std::vector<std::vector<Parts>> state;  ///< [position][block]
    std::size_t arrived = 0;
};

TrafficMatrix random_matrix(std::uint32_t n, std::mt19937& random) {
    TrafficMatrix matrix{n, std::vector<double>(std::size_t{n} * n)};
    for (double& bytes : matrix.bytes) bytes = random() % 4 == 0 ? 0 : static_cast<double>(random() % 10000);
    return matrix;
}

/// Nodes of unequal size now and then, members in random order, one ring or several, one leaf or several.
MemberPlaces random_places(std::mt19937& random) {
    const bool equal = random() % 3 != 0;
    const std::uint32_t nodes = 1 + random() % 5;
    const std::uint32_t each = 1 + random() % 5;
    MemberPlaces places;
    for (std::uint32_t m = 0; m < nodes; ++m)
        for (std::uint32_t i = 0; i < (equal ? each : 1 + random() % 5); ++i) places.node.push_back(m);
    if (random() % 2 == 0) {
        std::shuffle(places.node.begin(), places.node.end(), random);
        std::map<std::uint32_t, std::uint32_t> dense;
        for (std::uint32_t& node : places.node)
            node = dense.try_emplace(node, static_cast<std::uint32_t>(dense.size())).first->second;
    }
    const std::uint32_t nodes_a_leaf = 1 + random() % 3;
    for (const std::uint32_t node : places.node) places.leaf.push_back(node / nodes_a_leaf);
    std::vector<std::uint32_t> ring(places.node.size());
    std::iota(ring.begin(), ring.end(), 0U);
    const unsigned rings = 1 + random() % 3;
    for (unsigned r = 0; r < rings; ++r) {
        places.rings.push_back(ring);
        std::shuffle(ring.begin(), ring.end(), random);
    }
    return places;
}

TEST(CollectiveMessages, BringEveryMemberWhatTheCollectivePromises) {
    std::map<std::pair<std::string, Kind>, int> tried;
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::mt19937 random(seed);
        const MemberPlaces places = random_places(random);
        const std::uint32_t n = places.members();
        const TrafficMatrix matrix = random_matrix(n, random);
        for (const std::string& algorithm : message_algorithm_names())
            for (const Kind kind : kKinds) {
                if (kind == Kind::send_recv && n != 2) continue;
                CollectiveRequest request{kind, 1e6, nullptr, true};
                if (kind == Kind::all_to_all_v) request.matrix = &matrix;
                try {
                    const MessageList messages = collective_messages(request, places, algorithm);
                    SCOPED_TRACE(algorithm + " " + std::string(to_string(kind)) + " n " + std::to_string(n) +
                                 " seed " + std::to_string(seed));
                    DataFlow flow(messages, kind);
                    flow.run(random);
                    flow.expect_promise(request.matrix);
                    if (n > 1) ++tried[{algorithm, kind}];
                } catch (const InputError&) {
                    continue;  // it does not do that
                }
                if (testing::Test::HasFailure()) return;
            }
    }
    // What does what.
    const std::map<std::string, std::set<Kind>> does = {
        {"ring",
         {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::broadcast, Kind::reduce,
          Kind::barrier}},
        {"tree", {Kind::all_reduce, Kind::barrier}},
        {"halving-doubling", {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::barrier}},
        {"direct",
         {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::broadcast, Kind::reduce,
          Kind::all_to_all, Kind::all_to_all_v, Kind::gather, Kind::scatter, Kind::send_recv}},
        {"pairwise", {Kind::all_to_all, Kind::all_to_all_v, Kind::reduce_scatter}},
        {"dissemination", {Kind::barrier}},
        {"bruck", {Kind::all_to_all, Kind::all_to_all_v, Kind::all_gather}},
        {"hierarchical",
         {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::barrier, Kind::all_to_all,
          Kind::all_to_all_v}},
        {"relay", {Kind::all_to_all, Kind::all_to_all_v}},
        {"nvls", {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter}},
        {"nvls-tree", {Kind::all_reduce}},
        {"sharp", {Kind::all_reduce}},
    };
    for (const auto& [algorithm, kinds] : does)
        for (const Kind kind : kKinds)
            EXPECT_EQ(kinds.count(kind) != 0, tried.count({algorithm, kind}) != 0)
                << algorithm << ' ' << to_string(kind);
}

double sent(const MessageList& messages, std::uint32_t position) {
    double bytes = 0;
    for (std::size_t m = 0; m < messages.size(); ++m)
        if (messages.from[m] == position) bytes += messages.bytes[m];
    return bytes;
}

std::size_t messages_of(const MessageList& messages, std::uint32_t position) {
    return static_cast<std::size_t>(std::ranges::count(messages.from, position));
}

MessageList on_one_node(Kind kind, std::uint32_t n, const char* algorithm, double bytes = 1) {
    return collective_messages({kind, bytes}, MemberPlaces::on_one_node(n), algorithm);
}

TEST(CollectiveMessages,
     OfARingAreTheLeastBytesInTwiceNMinusOneSteps) {  // Patarasuk and Yuan 2009, theorem 1
    for (std::uint32_t n = 2; n <= 17; ++n) {
        const MessageList all_reduce = on_one_node(Kind::all_reduce, n, "ring");
        for (std::uint32_t i = 0; i < n; ++i) {
            EXPECT_EQ(messages_of(all_reduce, i), 2 * (n - 1));
            EXPECT_NEAR(sent(all_reduce, i), 2.0 * (n - 1) / n, 1e-12);
            EXPECT_NEAR(sent(on_one_node(Kind::all_gather, n, "ring"), i), (n - 1.0) / n, 1e-12);
        }
    }
}

TEST(CollectiveMessages, OfHalvingAndDoublingAreLogarithmic) {  // Thakur et al. 2005, section 4.1 to 4.4
    for (const std::uint32_t log : {1U, 2U, 3U, 4U, 6U}) {
        const std::uint32_t n = 1U << log;
        const MessageList all_reduce = on_one_node(Kind::all_reduce, n, "halving-doubling");
        for (std::uint32_t i = 0; i < n; ++i) {
            EXPECT_EQ(messages_of(all_reduce, i), 2 * log);
            EXPECT_NEAR(sent(all_reduce, i), 2.0 * (n - 1) / n, 1e-12);
        }
    }
    // Rabenseifner's fold: of 6 members, 2 hand over all they have and get all back.
    const MessageList folded = on_one_node(Kind::all_reduce, 6, "halving-doubling");
    EXPECT_EQ(messages_of(folded, 0), 1U);
    EXPECT_NEAR(sent(folded, 0), 1, 1e-12);
    EXPECT_EQ(messages_of(folded, 1), 2 * 2 + 1U);
}

TEST(CollectiveMessages, OfBruckAreCeilLog2Rounds) {  // Bruck et al. 1997, sections 3.1 and 4
    for (std::uint32_t n = 2; n <= 33; ++n) {
        const auto rounds = static_cast<std::size_t>(std::ceil(std::log2(n)));
        const MessageList exchange = on_one_node(Kind::all_to_all, n, "bruck", n);
        const MessageList gather = on_one_node(Kind::all_gather, n, "bruck", n);
        for (std::uint32_t i = 0; i < n; ++i) {
            EXPECT_EQ(messages_of(exchange, i), rounds);
            EXPECT_EQ(messages_of(gather, i), rounds);
            EXPECT_NEAR(sent(gather, i), n - 1, 1e-9);
            // Each block hops once for each one in the binary digits of its way.
            double hops = 0;
            for (std::uint32_t way = 1; way < n; ++way) hops += std::popcount(way);
            EXPECT_NEAR(sent(exchange, i), hops, 1e-9);
            EXPECT_LE(sent(exchange, i), std::ceil(n / 2.0) * static_cast<double>(rounds) + 1e-9);
        }
    }
}

TEST(CollectiveMessages, OfTwoTreesLoadNoNodeMoreThanTwiceTheBuffer) {  // Sanders et al. 2009, theorem 3
    for (std::uint32_t nodes = 2; nodes <= 40; ++nodes) {
        const auto parents = double_tree_parents(nodes);
        std::vector<int> inner(nodes, 0);
        std::vector<int> children(nodes, 0);
        for (const auto& tree : parents) {
            std::set<std::uint32_t> inside;
            int roots = 0;
            for (std::uint32_t i = 0; i < nodes; ++i) {
                if (tree[i] == i) {
                    ++roots;
                    continue;
                }
                inside.insert(tree[i]);
                ++children[tree[i]];
                std::uint32_t at = i;
                std::uint32_t depth = 0;
                for (; tree[at] != at; at = tree[at]) ASSERT_LE(++depth, std::ceil(std::log2(nodes)) + 1e-9);
            }
            EXPECT_EQ(roots, 1);
            for (const std::uint32_t i : inside) ++inner[i];
        }
        for (std::uint32_t i = 0; i < nodes; ++i) {
            EXPECT_LE(inner[i], nodes == 2 ? 2 : 1) << "node " << i << " of " << nodes;
            EXPECT_LE(children[i], 2);
        }
        const MessageList messages =
            collective_messages({Kind::all_reduce, 1}, MemberPlaces::on_nodes(nodes, 1), "tree");
        for (std::uint32_t i = 0; i < nodes; ++i) EXPECT_LE(sent(messages, i), 2 + 1e-9);
    }
}

TEST(CollectiveMessages, OfTutelsTwoDimensionsAreFewAndLongBetweenNodes) {  // Hwang et al. 2023, section 3.4
    const std::uint32_t nodes = 6;
    const std::uint32_t each = 8;
    const MemberPlaces places = MemberPlaces::on_nodes(nodes, each);
    const MessageList messages = collective_messages({Kind::all_to_all, 48e6}, places, "hierarchical");
    const MessageList plain = collective_messages({Kind::all_to_all, 48e6}, places, "direct");
    const auto between = [&](const MessageList& list) {
        std::vector<double> bytes;
        for (std::size_t m = 0; m < list.size(); ++m)
            if (places.node[list.from[m]] != places.node[list.to[m]]) bytes.push_back(list.bytes[m]);
        return bytes;
    };
    EXPECT_EQ(between(messages).size(), 48U * 5);
    EXPECT_EQ(between(plain).size(), 48U * 40);
    for (const double bytes : between(messages)) EXPECT_NEAR(bytes, 8e6, 1e-3);
    const auto total = [](const std::vector<double>& all) {
        return std::accumulate(all.begin(), all.end(), 0.0);
    };
    EXPECT_NEAR(total(between(messages)), total(between(plain)), 1);
}

TEST(CollectiveMessages, OfSwitchesThatAddCarryTheBufferOnce) {
    for (std::uint32_t n = 2; n <= 9; ++n)  // a member sends all of its buffer, and the sum of its part
        EXPECT_NEAR(sent(on_one_node(Kind::all_reduce, n, "nvls"), 0), 1 + 1.0 / n, 1e-12);
    const MemberPlaces places = MemberPlaces::on_nodes(4, 2);
    const MessageList sharp = collective_messages({Kind::all_reduce, 1}, places, "sharp");
    double out = 0;  // over the NIC of member 0: its half, once
    for (std::size_t m = 0; m < sharp.size(); ++m)
        if (sharp.from[m] == 0 && sharp.to[m] >= sharp.members) out += sharp.bytes[m];
    EXPECT_NEAR(out, 0.5, 1e-12);
}

TEST(CollectiveMessages, OfAnUnknownAlgorithmNameTheNearest) {
    try {
        on_one_node(Kind::all_reduce, 4, "rign");
        FAIL();
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("did you mean 'ring'"), std::string::npos) << error.what();
    }
    EXPECT_THROW(on_one_node(Kind::broadcast, 4, "tree"), InputError);
    EXPECT_EQ(on_one_node(Kind::all_reduce, 1, "ring").size(), 0U);
}

TEST(CollectiveMessages, ThatNobodySendsOrReceivesAreErrors) {
    MessageListBuilder lost(2, 1, {1.0}, false);
    lost.lane(0);
    lost.send(1, BlockRange{0});
    EXPECT_THROW(lost.finish(), SimulationError);
    MessageListBuilder missing(2, 1, {1.0}, false);
    missing.lane(1);
    missing.receive(0);
    EXPECT_THROW(missing.finish(), SimulationError);
}

}  // namespace
}  // namespace orrery::sim
