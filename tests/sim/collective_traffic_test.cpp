// Bytes between devices and over links: against the messages that simgrid moves, and against closed forms.
#include "sim/engine/collective_traffic.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/messages/message_routes.hpp"
#include "tests/sim/collective_steps.hpp"

namespace orrery::sim {
namespace {

topologies::Cluster cluster(int gpus, int nodes) {
    topologies::Cluster result;
    result.name = "test";
    result.nodes = nodes;
    result.node.gpus = gpus;
    result.node.fabric = topologies::NodeFabric::nvswitch;
    result.node.gpu_link_bandwidth = 300e9;
    result.node.nics = gpus;
    result.node.nic_bandwidth = 25e9;
    result.fabric.nodes_per_leaf = 2;
    return result;
}

std::vector<std::uint32_t> first_devices(std::uint32_t n) {
    std::vector<std::uint32_t> devices(n);
    std::iota(devices.begin(), devices.end(), 0U);
    return devices;
}

using ByPair = std::map<std::pair<std::uint32_t, std::uint32_t>, double>;

ByPair summed(const std::vector<PairBytes>& pairs) {
    ByPair sum;
    for (const PairBytes& pair : pairs) sum[{pair.from, pair.to}] += pair.bytes;
    return sum;
}

/// Bytes out of (or into) each device.
std::map<std::uint32_t, double> by_device(const std::vector<PairBytes>& pairs, bool out) {
    std::map<std::uint32_t, double> sum;
    for (const PairBytes& pair : pairs) sum[out ? pair.from : pair.to] += pair.bytes;
    return sum;
}

constexpr double kBytes = 3e6;

TEST(CollectiveTraffic, IsTheSumOfTheMessagesThatSimgridMoves) {
    const std::pair<CollectiveKind, const char*> cases[] = {
        {CollectiveKind::all_reduce, "ring"},     {CollectiveKind::all_gather, "ring"},
        {CollectiveKind::reduce_scatter, "ring"}, {CollectiveKind::all_to_all, "pairwise"},
        {CollectiveKind::all_to_all, "direct"},   {CollectiveKind::gather, "direct"},
        {CollectiveKind::scatter, "direct"},      {CollectiveKind::send_recv, "direct"},
    };
    for (const auto& machine : {cluster(8, 1), cluster(2, 4), cluster(1, 8)})
        for (const auto& [kind, algorithm] : cases) {
            const Network network(machine);
            const std::uint32_t n = kind == CollectiveKind::send_recv ? 2 : 8;
            const std::vector<std::uint32_t> devices = first_devices(n);
            const auto rings = testing::uses_rings(kind) ? network.rings(devices)
                                                         : std::vector<std::vector<std::uint32_t>>{devices};
            ByPair expected;
            for (const auto& ring : rings)
                for (std::uint32_t i = 0; i < n; ++i)
                    for (const testing::Message& message :
                         testing::collective_steps(kind, kBytes / static_cast<double>(rings.size()), n, i)
                             .messages)
                        expected[{ring[i], ring[message.to]}] += message.bytes;
            const ByPair found = summed(collective_pairs(kind, algorithm, kBytes, devices, network, machine));
            ASSERT_EQ(found.size(), expected.size()) << to_string(kind);
            for (const auto& [pair, bytes] : expected)
                EXPECT_NEAR(found.at(pair), bytes, 1e-9 * kBytes) << to_string(kind);
        }
}

TEST(CollectiveTraffic, TreesSendTwoBuffersFromTheBusiestNodeAndOneOfTwo) {
    for (const int nodes : {2, 3, 4, 5, 8, 9, 16}) {
        const topologies::Cluster machine = cluster(1, nodes);
        const Network network(machine);
        const auto pairs =
            collective_pairs(CollectiveKind::all_reduce, "tree", kBytes,
                             first_devices(static_cast<std::uint32_t>(nodes)), network, machine);
        double total = 0;
        double most = 0;
        for (const auto& [device, bytes] : by_device(pairs, true)) {
            total += bytes;
            most = std::max(most, bytes);
        }
        EXPECT_NEAR(total, 2 * (nodes - 1) * kBytes, 1e-6 * kBytes) << nodes;
        // A node that is inside one tree (three edges of half a buffer) and a leaf of the other (one).
        EXPECT_LE(most, 2 * kBytes * (1 + 1e-12)) << nodes;
        if (nodes == 2) {
            EXPECT_NEAR(most, kBytes, 1e-6);
        }
        EXPECT_EQ(by_device(pairs, true), by_device(pairs, false)) << nodes;
    }
}

TEST(CollectiveTraffic, InsideANodeATreesChainSendsTwoPassesOfTheRest) {
    const topologies::Cluster machine = cluster(8, 1);
    const Network network(machine);
    const auto pairs =
        collective_pairs(CollectiveKind::all_reduce, "tree", kBytes, first_devices(8), network, machine);
    for (const auto& [device, bytes] : by_device(pairs, true)) EXPECT_NEAR(bytes, 2 * 7.0 / 8 * kBytes, 1e-6);
}

TEST(CollectiveTraffic, NvlsReadsAndWritesOneBufferAndItsShare) {
    const topologies::Cluster machine = cluster(8, 1);
    const Network network(machine);
    LinkSum sum(network, machine);
    sum.add(collective_pairs(CollectiveKind::all_reduce, "nvls", kBytes, first_devices(8), network, machine),
            1.25, 1);
    const std::vector<LinkBytes> links = sum.take();
    ASSERT_EQ(links.size(), 16U);
    for (const LinkBytes& on : links) {
        EXPECT_NEAR(on.payload, (1 + 1.0 / 8) * kBytes, 1e-6);
        EXPECT_NEAR(on.wire, 1.25 * (1 + 1.0 / 8) * kBytes, 1e-6);
    }
    EXPECT_TRUE(sum.take().empty());
}

TEST(CollectiveTraffic, EveryPairsBytesCrossEveryLinkOfTheirWay) {
    const topologies::Cluster machine = cluster(2, 4);
    const Network network(machine);
    const auto pairs =
        collective_pairs(CollectiveKind::all_to_all, "pairwise", kBytes, first_devices(8), network, machine);
    std::vector<double> expected(network.links().size(), 0);
    for (const PairBytes& pair : pairs)
        for (const std::uint32_t link : network.route(pair.from, pair.to).links) expected[link] += pair.bytes;
    LinkSum sum(network, machine);
    sum.add(pairs, 1, 1);
    for (const LinkBytes& on : sum.take()) {
        EXPECT_NEAR(on.payload, expected[on.link], 1e-6);
        expected[on.link] = 0;
    }
    for (const double rest : expected) EXPECT_EQ(rest, 0);
}

/// What any algorithm's messages carry, link by link, is what the load has, whichever way it is computed.
TEST(CollectiveTraffic, OfAnyAlgorithmIsTheSumOfItsMessages) {
    const std::pair<CollectiveKind, const char*> cases[] = {
        {CollectiveKind::all_reduce, "ring"},         {CollectiveKind::all_to_all, "direct"},
        {CollectiveKind::all_to_all, "pairwise"},     {CollectiveKind::all_to_all, "bruck"},
        {CollectiveKind::all_to_all, "hierarchical"}, {CollectiveKind::all_reduce, "halving-doubling"},
        {CollectiveKind::all_reduce, "hierarchical"}, {CollectiveKind::all_gather, "direct"},
        {CollectiveKind::reduce_scatter, "pairwise"}, {CollectiveKind::all_to_all, "relay"},
    };
    const topologies::Cluster machine = cluster(4, 4);
    const Network network(machine);
    const std::vector<std::uint32_t> devices = first_devices(16);
    for (const auto& [kind, algorithm] : cases) {
        LinkSum sum(network, machine);
        if (known_by_pairs(kind, algorithm))
            sum.add(collective_pairs(kind, algorithm, kBytes, devices, network, machine), 2, 3);
        else
            sum.add_messages(kind, algorithm, kBytes, devices, 2, 3);
        const MessageList messages =
            collective_messages({kind, kBytes}, member_places(devices, machine, network), algorithm);
        const std::vector<double> expected =
            bytes_by_link(messages, route_messages(messages, devices, machine, network));
        std::vector<double> found(expected.size(), 0);
        for (const LinkBytes& on : sum.take()) {
            found[on.link] = on.payload;
            EXPECT_DOUBLE_EQ(on.wire, on.payload * (on.inside_node ? 2 : 3)) << algorithm;
        }
        for (std::size_t l = 0; l < expected.size(); ++l)
            EXPECT_NEAR(found[l], expected[l], 1e-9 * kBytes) << algorithm << network.link(l).name;
    }
}

TEST(CollectiveTraffic, AnUnknownAlgorithmIsAnError) {
    const topologies::Cluster machine = cluster(2, 1);
    EXPECT_THROW(
        collective_pairs(CollectiveKind::all_reduce, "magic", 1, first_devices(2), Network(machine), machine),
        SimulationError);
}

}  // namespace
}  // namespace orrery::sim
