// Each algorithm's closed form (sim/cost) against its messages moved over the same bare links.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/messages/bare_collective.hpp"

namespace orrery::sim {
namespace {

using Kind = CollectiveKind;

topologies::Cluster cluster(int nodes, int gpus) {
    topologies::Cluster c;
    c.name = "test";
    c.node.name = "test-node";
    c.node.gpus = gpus;
    c.node.fabric = topologies::NodeFabric::nvswitch;
    c.node.gpu_link_bandwidth = 200e9;
    c.node.gpu_link_latency_s = 1e-6;
    c.node.nics = gpus;
    c.node.nic_bandwidth = 25e9;
    c.node.nic_latency_s = 2e-6;
    c.fabric.switch_latency_s = 0.5e-6;
    c.nodes = nodes;
    return c;
}

constexpr Kind kKinds[] = {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::broadcast,
                           Kind::reduce,     Kind::all_to_all, Kind::gather,         Kind::scatter};

/// messages / closed form, or nothing where the algorithm does not do it.
double ratio(Kind kind, const std::string& algorithm, double bytes, int nodes, int gpus) {
    const topologies::Cluster on = cluster(nodes, gpus);
    CollectiveCalibration bare = ideal_collectives();
    bare.nvls.available = true;
    BareCollective request;
    request.kind = kind;
    request.bytes = bytes;
    request.devices.resize(static_cast<std::size_t>(nodes * gpus));
    std::iota(request.devices.begin(), request.devices.end(), 0U);
    request.choice = {algorithm, "Simple", 0};
    const double closed = run_bare_collective(request, on, bare).cost.time_s;
    request.engine = BareEngine::messages;
    return run_bare_collective(request, on, bare).cost.time_s / closed;
}

/// How far the messages may be from the closed form: {least, most} ratio. Exact where every message has its
/// links to itself; pipelines fill by 1 / kPiecesPerHop a stage.
struct Tolerance {
    double least;
    double most;
};

void compare(const std::map<std::string, Tolerance>& tolerances, double bytes, int nodes, int gpus) {
    std::map<std::string, int> compared;
    for (const auto& [algorithm, tolerance] : tolerances)
        for (const Kind kind : kKinds) {
            try {
                const double r = ratio(kind, algorithm, bytes, nodes, gpus);
                EXPECT_GE(r, tolerance.least) << algorithm << ' ' << to_string(kind) << ' ' << bytes << " on "
                                              << nodes << " x " << gpus;
                EXPECT_LE(r, tolerance.most) << algorithm << ' ' << to_string(kind) << ' ' << bytes << " on "
                                             << nodes << " x " << gpus;
                ++compared[algorithm];
            } catch (const InputError&) {
                continue;
            }
        }
    for (const auto& [algorithm, tolerance] : tolerances) EXPECT_GT(compared[algorithm], 0) << algorithm;
}

constexpr Tolerance kExact{1 - 1e-9, 1 + 1e-9};

TEST(ClosedForms, AreTheTimeOfTheMessagesOnOneNode) {
    for (const int gpus : {2, 4, 8})
        for (const double bytes : {1e3, 1e6, 1e9})
            compare({{"halving-doubling", kExact}, {"pairwise", kExact}, {"bruck", kExact}}, bytes, 1, gpus);
    for (const int gpus : {3, 5, 6, 7}) {
        compare({{"pairwise", kExact}, {"bruck", kExact}}, 1e8, 1, gpus);
        compare({{"halving-doubling", {0.6, 1 + 1e-9}}}, 1e8, 1,
                gpus);  // folded members' blocks go two by two
    }
    // A ring's chain fills and drains; NVSwitch's halves overlap.
    for (const double bytes : {1e6, 1e9})
        compare({{"ring", {1 - 1e-9, 1.2}}, {"direct", {1 - 1e-9, 1 + 1e-9}}}, bytes, 1, 8);
}

TEST(ClosedForms, AreTheTimeOfTheMessagesOverNodes) {
    for (const auto& [nodes, gpus] : {std::pair{2, 4}, {4, 4}, {4, 8}})
        for (const double bytes : {1e6, 1e8, 4e9}) {
            compare({{"hierarchical", kExact}}, bytes, nodes, gpus);
            // Bruck's members drift apart, and the rounds of two may meet on one NIC.
            compare({{"halving-doubling", {0.75, 1 + 1e-9}}, {"bruck", {0.75, 1.15}}}, bytes, nodes, gpus);
        }
    for (const auto& [nodes, gpus] : {std::pair{2, 4}, {4, 8}}) {
        compare({{"ring", {0.9, 1.3}}, {"relay", {0.95, 1.25}}, {"sharp", {0.9, 1.3}}}, 4e9, nodes, gpus);
        compare({{"tree", {0.8, 1.5}}, {"nvls-tree", {0.8, 1.5}}, {"pairwise", {0.5, 1.1}}}, 4e9, nodes,
                gpus);
        compare({{"direct", {0.95, 1.3}}}, 4e9, nodes, gpus);
    }
}

/// Groups that lie on their nodes anyhow, in any order. Exact or nearly so where the busiest link decides;
/// pairwise rounds and exchanges meet on receivers' cards when they are moved message by message.
TEST(ClosedForms, AreTheTimeOfTheMessagesOfIrregularGroups) {
    const std::map<std::string, Tolerance> tolerances{{"ring", {1 - 1e-9, 1.1}},
                                                      {"bruck", {1 - 1e-9, 1 + 1e-9}},
                                                      {"direct", {1 - 1e-9, 1.5 + 1e-9}},
                                                      {"pairwise", {1 - 1e-9, 1.5}},
                                                      {"halving-doubling", {0.3, 1.6}}};
    topologies::Cluster on = cluster(3, 4);
    on.node.gpu_link_latency_s = on.node.nic_latency_s = on.fabric.switch_latency_s = 0;
    std::mt19937 random(2);
    int uneven = 0;
    for (int draw = 0; draw < 60; ++draw) {
        BareCollective request;
        request.bytes = 1e9;
        request.devices.resize(12);
        std::iota(request.devices.begin(), request.devices.end(), 0U);
        std::shuffle(request.devices.begin(), request.devices.end(), random);
        request.devices.resize(2 + random() % 9);
        // Bruck and pairwise count on neighbours by number.
        if (draw % 2 == 0) std::sort(request.devices.begin(), request.devices.end());
        const GroupPlacement group = place_group(request.devices, on);
        uneven += group.least_per_node < group.most_per_node ? 1 : 0;
        for (const auto& [algorithm, tolerance] : tolerances) {
            if (draw % 2 == 1 && algorithm != "ring" && algorithm != "direct") continue;
            for (const Kind kind : kKinds) {
                request.kind = kind;
                request.choice = {algorithm, "Simple", 1};
                request.engine = BareEngine::replay;
                try {
                    const double closed = run_bare_collective(request, on, ideal_collectives()).cost.time_s;
                    request.engine = BareEngine::messages;
                    const double moved = run_bare_collective(request, on, ideal_collectives()).cost.time_s;
                    EXPECT_GE(moved / closed, tolerance.least) << algorithm << ' ' << to_string(kind) << ' '
                                                               << testing::PrintToString(request.devices);
                    EXPECT_LE(moved / closed, tolerance.most) << algorithm << ' ' << to_string(kind) << ' '
                                                              << testing::PrintToString(request.devices);
                } catch (const InputError&) {
                    continue;
                }
            }
        }
    }
    EXPECT_GT(uneven, 30);
}

TEST(ClosedForms, CountTheMessagesOfWhatIsNotCutIntoPieces) {
    for (const auto& [nodes, each] : {std::pair{1U, 8U}, {1U, 6U}, {3U, 4U}, {4U, 4U}}) {
        MemberPlaces places = MemberPlaces::on_nodes(nodes, each);
        GroupPlacement group;
        group.ranks = static_cast<int>(nodes * each);
        group.nodes = static_cast<int>(nodes);
        group.least_per_node = group.most_per_node = group.root_members = static_cast<int>(each);
        group.sharing_members = each;
        for (const char* algorithm :
             {"ring", "halving-doubling", "direct", "pairwise", "bruck", "hierarchical", "relay"})
            for (const Kind kind : kKinds) {
                if (std::string(algorithm) == "ring" && (kind == Kind::broadcast || kind == Kind::reduce))
                    continue;
                try {
                    EXPECT_EQ(static_cast<double>(collective_messages({kind, 1e6}, places, algorithm).size()),
                              message_count(kind, algorithm, group))
                        << algorithm << ' ' << to_string(kind) << ' ' << nodes << " x " << each;
                } catch (const InputError&) {
                    continue;
                }
            }
    }
}

TEST(BareCollectives, OfTwoNodesAreBoundByTheirNics) {
    // 16 ranks: 2(n-1)/n of the buffer through 8 NICs of 25 GB/s a node.
    const topologies::Cluster on = cluster(2, 8);
    for (const BareEngine engine : {BareEngine::replay, BareEngine::messages, BareEngine::simgrid}) {
        BareCollective request;
        request.bytes = 1e9;
        request.devices.resize(16);
        std::iota(request.devices.begin(), request.devices.end(), 0U);
        request.choice.algorithm = "ring";
        request.engine = engine;
        const double bound = 30.0 / 16 * 1e9 / 200e9;
        try {
            const double time = run_bare_collective(request, on, ideal_collectives()).cost.time_s;
            EXPECT_GE(time, bound);
            EXPECT_LE(time, 1.15 * bound) << to_string(engine);
        } catch (const MissingCapability&) {
            EXPECT_EQ(engine, BareEngine::simgrid);
        }
    }
}

TEST(BareCollectives, SharedLinksCostTheSameInTurnsAndFluidly) {
    topologies::Cluster on = cluster(1, 8);
    on.node.gpu_link_latency_s = 0;
    BareCollective incast;
    incast.kind = Kind::all_to_all_v;
    incast.devices = {0, 1, 2, 3, 4, 5, 6, 7};
    incast.matrix = TrafficMatrix{8, std::vector<double>(64, 0)};
    for (std::size_t from = 1; from < 8; ++from) incast.matrix->bytes[from * 8] = 2e8;
    for (const BareEngine engine : {BareEngine::replay, BareEngine::messages, BareEngine::simgrid}) {
        incast.engine = engine;
        try {
            EXPECT_NEAR(run_bare_collective(incast, on, ideal_collectives()).cost.time_s, 7e-3, 1e-9);
        } catch (const MissingCapability&) {
            EXPECT_EQ(engine, BareEngine::simgrid);
        }
    }
}

TEST(ZipfMatrix, KeepsWhatEachSendsAndFallsAsThePowerSays) {
    const TrafficMatrix matrix = zipf_matrix(8, 1e6, 1.5);
    for (std::uint32_t i = 0; i < 8; ++i) {
        double sum = 0;
        for (std::uint32_t j = 0; j < 8; ++j) sum += matrix.at(i, j);
        EXPECT_NEAR(sum, 1e6, 1e-3);
        EXPECT_NEAR(matrix.at(i, 0) / matrix.at(i, 3), std::pow(4, 1.5), 1e-9);
    }
}

}  // namespace
}  // namespace orrery::sim
