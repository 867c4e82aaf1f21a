// All-to-all-v from its matrix: validated, priced, carried by the engines.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"
#include "sim/cost/price.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/network.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::sim {
namespace {

using testing::ProgramBuilder;
using testing::takes;

topologies::Cluster cluster(int nodes, double oversubscription = 1) {
    topologies::Cluster result;
    result.name = "test";
    result.nodes = nodes;
    result.node.name = "test-node";
    result.node.gpus = 4;
    result.node.gpu_link_bandwidth = 300e9;
    result.node.nics = 2;
    result.node.nic_bandwidth = 25e9;
    result.fabric.nodes_per_leaf = 2;
    result.fabric.oversubscription = oversubscription;
    return result;
}

std::vector<std::uint32_t> first(int devices) {
    std::vector<std::uint32_t> all(static_cast<std::size_t>(devices));
    std::iota(all.begin(), all.end(), 0U);
    return all;
}

TrafficMatrix uniform(int members, double bytes_a_member) {
    const auto n = static_cast<std::size_t>(members);
    return {static_cast<std::uint32_t>(members), std::vector<double>(n * n, bytes_a_member / members)};
}

TrafficMatrix random_matrix(int members, std::mt19937& random) {
    TrafficMatrix matrix = uniform(members, 0);
    for (double& bytes : matrix.bytes)
        bytes = random() % 3 == 0 ? 0 : std::floor(std::exp(std::uniform_real_distribution<>(8, 18)(random)));
    return matrix;
}

double time_of(const TrafficMatrix& matrix, const topologies::Cluster& machine) {
    return price_all_to_all_v(matrix, first(static_cast<int>(matrix.members)), machine, ideal_collectives())
        .time_s;
}

TEST(AllToAllV, OfAUniformMatrixCostsWhatAnAllToAllCosts) {
    for (const int nodes : {1, 2, 4})
        for (const char* calibration : {"ideal", "a100-nvswitch-ib", "h100-nvswitch-ib"})
            for (const double bytes : {1e4, 1e6, 1e9}) {
                const topologies::Cluster machine = cluster(nodes);
                const auto devices = first(4 * nodes);
                const CollectiveCalibration c = load_collectives(calibration);
                EXPECT_DOUBLE_EQ(
                    price_all_to_all_v(uniform(4 * nodes, bytes), devices, machine, c).time_s,
                    price_collective(CollectiveKind::all_to_all, bytes, devices, machine, c).time_s);
            }
}

TEST(AllToAllV, AnIncastOfSevenCostsSevenTimesOneMessage) {
    topologies::Cluster machine = cluster(1);
    machine.node.gpus = 8;
    TrafficMatrix incast = uniform(8, 0);
    for (std::size_t from = 1; from < 8; ++from) incast.bytes[from * 8] = 3e8;
    TrafficMatrix one = uniform(8, 0);
    one.bytes[8] = 3e8;
    EXPECT_DOUBLE_EQ(time_of(one, machine), 1e-3);
    EXPECT_DOUBLE_EQ(time_of(incast, machine), 7e-3);
}

/// The busiest link, from the routes that the engines take.
TEST(AllToAllV, IdeallyLastsAsLongAsTheBusiestLinkOfTheNetworkIsBusy) {
    std::mt19937 random(7);
    for (int round = 0; round < 40; ++round) {
        const topologies::Cluster machine = cluster(1 + round % 6, 1 + round % 4);
        const TrafficMatrix matrix = random_matrix(machine.devices(), random);
        const Network network(machine);
        std::vector<double> busy(network.links().size(), 0);
        for (std::uint32_t from = 0; from < matrix.members; ++from)
            for (std::uint32_t to = 0; to < matrix.members; ++to)
                for (const std::uint32_t link : network.route(from, to).links)
                    busy[link] += matrix.at(from, to) / network.links()[link].bandwidth;
        EXPECT_NEAR(time_of(matrix, machine), *std::ranges::max_element(busy), 1e-12);
    }
}

TEST(AllToAllV, NeverCostsLessWhenAnEntryGrows) {
    std::mt19937 random(8);
    const topologies::Cluster machine = cluster(3, 2);
    TrafficMatrix matrix = random_matrix(12, random);
    double before = time_of(matrix, machine);
    for (int i = 0; i < 200; ++i) {
        matrix.bytes[random() % matrix.bytes.size()] += 1e7;
        const double now = time_of(matrix, machine);
        EXPECT_GE(now, before);
        before = now;
    }
}

struct OneExchange {
    OneExchange(const TrafficMatrix& matrix, const std::vector<std::uint32_t>& devices) {
        std::vector<RankId> ranks;
        for (const std::uint32_t device : devices) {
            ranks.push_back(builder.rank({StreamKind::ep}));
            builder.program.ranks.back().device = device;
        }
        const CommunicatorId group = builder.communicator(ranks);
        const WorkId work = builder.all_to_all_v(matrix.bytes, devices, takes(0));
        for (const RankId rank : ranks) builder.task(rank, 0, work, group);
        builder.build();
    }
    Program& program() { return builder.program; }
    ProgramBuilder builder;
};

TEST(AllToAllV, IsPricedAndReplayedAsOneOperation) {
    std::mt19937 random(9);
    const topologies::Cluster machine = cluster(2);
    const TrafficMatrix matrix = random_matrix(8, random);
    OneExchange one(matrix, first(8));
    const Prices prices = price(one.program(), {}, ideal_collectives(), machine);
    EXPECT_DOUBLE_EQ(replay(one.program(), prices.costs).makespan(), time_of(matrix, machine));
}

/// SimGrid sends one message after the other and shares links fairly, so it cannot beat the busiest link;
/// where all messages cross one NIC, it meets it.
TEST(AllToAllV, OnSimgridLastsNoLessThanTheBusiestLink) {
    std::mt19937 random(10);
    const topologies::Cluster machine = cluster(2, 2);
    for (int round = 0; round < 12; ++round) {
        TrafficMatrix matrix = random_matrix(8, random);
        const bool star = round % 3 != 0;
        for (std::uint32_t from = 0; from < 8 && star; ++from)
            for (std::uint32_t to = 0; to < 8; ++to)
                if ((round % 3 == 1 ? from : to) != 3 || from / 4 == to / 4) matrix.bytes[from * 8 + to] = 0;
        OneExchange one(matrix, first(8));
        const double bound = time_of(matrix, machine);
        try {
            const double time = simulate_with_simgrid(one.program(), one.builder.costs, machine).makespan();
            EXPECT_GE(time, bound * (1 - 1e-9));
            EXPECT_LE(time, star ? bound * (1 + 1e-6) : 4 * bound);
        } catch (const MissingCapability&) {
            GTEST_SKIP() << "built without SimGrid";
        }
    }
}

TEST(AllToAllV, ThatDoesNotFitItsGroupIsRefused) {
    std::mt19937 random(11);
    const auto refused = [](Program program, const char* what) {
        try {
            validate(program);
            ADD_FAILURE() << "accepted: " << what;
        } catch (const SimulationError& error) {
            EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
        }
    };
    OneExchange good(random_matrix(4, random), first(4));
    EXPECT_NO_THROW(validate(good.program()));

    Program program = good.program();
    program.matrices[0].bytes.pop_back();
    refused(program, "15 entries for 4 members");
    program = good.program();
    program.matrices[0].bytes[2] = -1;
    refused(program, "-1 bytes");
    program = good.program();
    std::get<Collective>(program.works[0]).bytes *= 2;
    refused(program, "its matrix has");
    program = good.program();
    std::get<Collective>(program.works[0]).matrix = 1;
    refused(program, "matrix does not exist");
    program = good.program();
    std::get<Collective>(program.works[0]).kind = CollectiveKind::all_to_all;
    refused(program, "only an all-to-all-v has a matrix");
    program = good.program();
    std::swap(program.groups[0].devices[0], program.groups[0].devices[1]);
    refused(program, "do not stand in the order");
}

}  // namespace
}  // namespace orrery::sim
