// Engine `messages`: against closed forms, and what its links carry.
#include "sim/engine/messages/messages.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "core/error.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "sim/engine/messages/bare_collective.hpp"

namespace orrery::sim {
namespace {

using Kind = CollectiveKind;

topologies::Cluster cluster(int nodes, int gpus = 8) {
    topologies::Cluster c;
    c.name = "test";
    c.node.name = "test-node";
    c.node.gpus = gpus;
    c.node.fabric = topologies::NodeFabric::nvswitch;
    c.node.gpu_link_bandwidth = 100e9;
    c.node.gpu_link_latency_s = 1e-6;
    c.node.nics = gpus;
    c.node.nic_bandwidth = 10e9;
    c.node.nic_latency_s = 2e-6;
    c.fabric.switch_latency_s = 0.5e-6;
    c.nodes = nodes;
    return c;
}
constexpr double kNetworkHop = 2 * 2e-6 + 0.5e-6;

struct Moved {
    Moved(Kind kind, double bytes, const topologies::Cluster& on, const std::vector<std::uint32_t>& devices,
          const char* algorithm, const TrafficMatrix* matrix = nullptr)
        : network(on),
          messages(
              collective_messages({kind, bytes, matrix}, member_places(devices, on, network), algorithm)),
          routes(route_messages(messages, devices, on, network)),
          times(move_messages(messages, routes)) {}
    Network network;
    MessageList messages;
    MessageRoutes routes;
    MessageTimes times;
};

std::vector<std::uint32_t> first(int n, std::uint32_t stride = 1) {
    std::vector<std::uint32_t> devices;
    for (int i = 0; i < n; ++i) devices.push_back(static_cast<std::uint32_t>(i) * stride);
    return devices;
}

double time(Kind kind, double bytes, const topologies::Cluster& on, const std::vector<std::uint32_t>& devices,
            const char* algorithm, const TrafficMatrix* matrix = nullptr) {
    return Moved(kind, bytes, on, devices, algorithm, matrix).times.time_s;
}

TEST(Messages, OfRingsTakeTheTextbookTime) {
    for (const int n : {2, 3, 5, 8}) {
        const double step = 1e-6 + 64e6 / n / 100e9;
        EXPECT_NEAR(time(Kind::all_reduce, 64e6, cluster(1), first(n), "ring"), 2 * (n - 1) * step, 1e-12);
        EXPECT_NEAR(time(Kind::all_gather, 64e6, cluster(1), first(n), "ring"), (n - 1) * step, 1e-12);
        const double far = kNetworkHop + 64e6 / n / 10e9;
        EXPECT_NEAR(time(Kind::all_reduce, 64e6, cluster(8), first(n, 8), "ring"), 2 * (n - 1) * far, 1e-12);
    }
}

TEST(Messages,
     OfHalvingAndDoublingTakeTheTextbookTime) {  // Thakur et al. 2005: 2 lg p alpha + 2 (p-1)/p n beta
    for (const int log : {1, 2, 3}) {
        const int n = 1 << log;
        EXPECT_NEAR(time(Kind::all_reduce, 64e6, cluster(1), first(n), "halving-doubling"),
                    2 * log * 1e-6 + 2.0 * (n - 1) / n * 64e6 / 100e9, 1e-12);
    }
}

TEST(Messages, OfExchangesTakeTheTextbookTime) {
    const double share = 8e6;
    EXPECT_NEAR(time(Kind::all_to_all, 64e6, cluster(1), first(8), "direct"), 1e-6 + 7 * share / 100e9,
                1e-12);
    EXPECT_NEAR(time(Kind::all_to_all, 64e6, cluster(1), first(8), "pairwise"), 7 * (1e-6 + share / 100e9),
                1e-12);
    EXPECT_NEAR(time(Kind::all_to_all, 64e6, cluster(1), first(8), "bruck"), 3 * (1e-6 + 4 * share / 100e9),
                1e-12);
    // Tutel's: a node's members exchange, then those of one index: 7/8 and 3/4 of the buffer.
    EXPECT_NEAR(time(Kind::all_to_all, 64e6, cluster(4), first(32), "hierarchical"),
                1e-6 + 7.0 / 8 * 64e6 / 100e9 + kNetworkHop + 3.0 / 4 * 64e6 / 10e9, 1e-12);
}

TEST(Messages, OfAnIncastOfSevenTakeSevenTimesOne) {
    topologies::Cluster on = cluster(1);
    on.node.gpu_link_latency_s = 0;
    TrafficMatrix incast{8, std::vector<double>(64, 0)};
    TrafficMatrix one = incast;
    one.bytes[8] = 1e8;
    for (std::size_t from = 1; from < 8; ++from) incast.bytes[from * 8] = 1e8;
    EXPECT_NEAR(time(Kind::all_to_all_v, 0, on, first(8), "direct", &one), 1e-3, 1e-12);
    EXPECT_NEAR(time(Kind::all_to_all_v, 0, on, first(8), "direct", &incast), 7e-3, 1e-12);
}

TEST(Messages, OfARingOverTwoNodesAreBoundByTheirNics) {
    // 16 members, 8 rings: each NIC carries 30/16 of an eighth of the buffer at a tenth of a link's speed.
    const double bound = 30.0 / 16 / 8 * 1e9 / 10e9;
    const double t = time(Kind::all_reduce, 1e9, cluster(2), first(16), "ring");
    EXPECT_GE(t, bound);
    EXPECT_LE(t, 1.1 * bound);
    topologies::Cluster one_nic = cluster(2);
    one_nic.node.nics = 1;
    EXPECT_GE(time(Kind::all_reduce, 1e9, one_nic, first(16), "ring"), 30.0 / 16 * 1e9 / 10e9);
}

TEST(Messages, NeverBeatTheBusiestLinkAndCarryAllBytes) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        std::mt19937 random(seed);
        topologies::Cluster on =
            cluster(1 + static_cast<int>(random() % 4), 1 + static_cast<int>(random() % 4));
        on.node.nics = 1 + static_cast<int>(random() % static_cast<unsigned>(on.node.gpus));
        on.fabric.nodes_per_leaf = static_cast<int>(random() % 3);
        on.fabric.oversubscription = 1 + static_cast<double>(random() % 3);
        const auto devices = first(on.devices());
        if (devices.size() < 2) continue;
        for (const std::string& algorithm : message_algorithm_names())
            for (const Kind kind : {Kind::all_reduce, Kind::all_to_all, Kind::broadcast, Kind::barrier}) {
                try {
                    const Moved moved(kind, 1e7, on, devices, algorithm.c_str());
                    const auto bytes = bytes_by_link(moved.messages, moved.routes);
                    double busiest = 0;
                    for (std::size_t l = 0; l < bytes.size(); ++l)
                        busiest = std::max(busiest, bytes[l] / moved.routes.bandwidth[l]);
                    EXPECT_GE(moved.times.time_s, busiest * (1 - 1e-12))
                        << algorithm << ' ' << to_string(kind);
                    EXPECT_GT(moved.times.time_s, 0);
                    for (std::size_t m = 0; m < moved.messages.size(); ++m)
                        EXPECT_FALSE(moved.routes.links_of(m).empty());
                } catch (const InputError&) {
                    continue;
                }
            }
    }
}

TEST(Messages, ToSwitchesThatAddTakeTheLinksThatLeadThere) {
    topologies::Cluster on = cluster(4, 2);
    on.fabric.nodes_per_leaf = 2;
    const Moved sharp(Kind::all_reduce, 8e6, on, first(8), "sharp");
    const auto bytes = bytes_by_link(sharp.messages, sharp.routes);
    double leaves = 0;
    for (std::size_t l = 0; l < bytes.size(); ++l) {
        // A NIC carries its GPU's half of the buffer once each way; below a leaf's uplinks it is added up.
        if (sharp.routes.level[l] == MessageRoutes::Level::network) {
            EXPECT_NEAR(bytes[l], 4e6, 1);
        }
        if (sharp.routes.level[l] == MessageRoutes::Level::spine) leaves += bytes[l];
    }
    EXPECT_NEAR(leaves, 2 * 2 * 8e6, 1);  // two leaves, up and down
}

TEST(Messages, ThatWaitForEachOtherAreNamed) {
    MessageListBuilder builder(2, 1, {1e6}, false);
    for (const std::uint32_t i : {0U, 1U}) {
        builder.lane(i);
        builder.receive(1 - i);
        builder.send(1 - i, BlockRange{0});
    }
    const MessageList messages = builder.finish();
    const topologies::Cluster on = cluster(1);
    const MessageRoutes routes = route_messages(messages, first(2), on, Network(on));
    try {
        move_messages(messages, routes);
        FAIL();
    } catch (const SimulationError& error) {
        EXPECT_EQ(error.cycle.size(), 2U);
        EXPECT_NE(error.cycle[0].find("from position"), std::string::npos) << error.cycle[0];
    }
}

TEST(Messages, CarryTheOverheadsOfACalibration) {
    const topologies::Cluster on = cluster(2);
    const Network network(on);
    const auto devices = first(2, 8);
    const MessageList messages =
        collective_messages({Kind::all_reduce, 1e6}, member_places(devices, on, network), "ring");
    const MessageRoutes routes = route_messages(messages, devices, on, network, {0, 1, 3e-6, 1, 0.5});
    EXPECT_NEAR(move_messages(messages, routes, 5e-6).time_s, 5e-6 + 2 * (kNetworkHop + 3e-6 + 5e5 / 5e9),
                1e-12);
}

/// What may be forced is what some group can do, on every engine.
TEST(BareCollective, EveryAlgorithmThatMayBeForcedRunsOnEveryEngine) {
    const auto cluster = topologies::make_cluster("dgx-h100", 2);
    const CollectiveCalibration calibration = load_collectives(cluster.node.collectives);
    for (const CollectiveKind kind : collective_kinds()) {
        EXPECT_FALSE(algorithms_of(kind).empty()) << to_string(kind);
        for (const std::string& algorithm : algorithms_of(kind)) {
            BareCollective request;
            request.kind = kind;
            request.bytes = 1 << 20;
            request.choice.algorithm = algorithm;
            const std::uint32_t members = kind == CollectiveKind::send_recv ? 2
                                          : algorithm == "nvls"             ? 8
                                                                            : 16;
            for (std::uint32_t d = 0; d < members; ++d) request.devices.push_back(d);
            if (kind == CollectiveKind::all_to_all_v) request.matrix = zipf_matrix(members, 1 << 20, 0.5);
            for (const BareEngine engine : {BareEngine::replay, BareEngine::flow, BareEngine::simgrid}) {
                request.engine = engine;
                try {
                    EXPECT_GT(run_bare_collective(request, cluster, calibration).cost.time_s, 0)
                        << to_string(kind) << ' ' << algorithm << ' ' << to_string(engine);
                } catch (const MissingCapability&) {
                    EXPECT_EQ(engine, BareEngine::simgrid);
                }
            }
        }
    }
}

}  // namespace
}  // namespace orrery::sim
