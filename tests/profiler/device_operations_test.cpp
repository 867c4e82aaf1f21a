// Operations between ranks as copies and sums: what every member then holds, and how many bytes moved,
// against what the operation means.
#include "profiler/execute/device_operations.hpp"

#include <gtest/gtest.h>

#include <random>

#include "host_devices.hpp"
#include "profiler/execute/device_run.hpp"
#include "tests/sim/program_builder.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;
using sim::StreamKind;
using sim::testing::ProgramBuilder;
using sim::testing::takes;
using Values = std::vector<std::vector<float>>;  ///< [member][float]

/// One operation on its own lanes, with whole numbers to send.
struct One {
    One(CollectiveKind kind, std::size_t n, double bytes, const std::vector<double>& matrix = {})
        : devices(n) {
        std::vector<sim::RankId> members;
        std::vector<std::uint32_t> numbers;
        for (std::size_t i = 0; i < n; ++i) {
            members.push_back(b.rank({StreamKind::tp}));
            numbers.push_back(static_cast<std::uint32_t>(i));
        }
        const sim::CommunicatorId id = b.communicator(members, "all");
        const sim::WorkId work = kind == CollectiveKind::all_to_all_v
                                     ? b.all_to_all_v(matrix, numbers, takes(0))
                                     : b.collective(kind, bytes, numbers, takes(0));
        for (const sim::RankId member : members) b.task(member, 0, work, id);
        b.build();
        operation.work = &std::get<sim::Collective>(b.program.works[work()]);
        operation.communicator = id;
        const std::size_t size = buffer_bytes(b.program, *operation.work, n);
        std::mt19937 random(7);
        std::vector<LaneUse> lanes;
        for (std::size_t i = 0; i < n; ++i) {
            lanes.push_back({members[i], StreamKind::tp, {}});
            std::vector<float>& mine = sent.emplace_back(size / sizeof(float));
            for (float& each : mine) each = static_cast<float>(random() % 1000);
            received.emplace_back(size / sizeof(float), -1.0F);
        }
        run = {b.program, b.costs, {}, {}};
        const auto n32 = static_cast<Mark>(n);
        devices.use(run, lanes, 4 * n + 2 * n);
        for (std::size_t i = 0; i < n; ++i) {
            const auto lane = static_cast<Lane>(i);
            devices.record(lane, 2 * lane);
            operation.members.push_back({members[i],
                                         lane,
                                         {2 * lane},
                                         kind == CollectiveKind::send_recv && i == 0,
                                         reinterpret_cast<std::byte*>(sent[i].data()),
                                         reinterpret_cast<std::byte*>(received[i].data())});
        }
        CopiedOperations operations(devices, 4 * n32);
        operations.use(b.program);
        operations.carry_out(operation);
        for (Lane lane = 0; lane < n32; ++lane) devices.record(lane, 2 * lane + 1);
        for (Lane lane = 0; lane < n32; ++lane)
            while (!devices.reached(2 * lane + 1)) std::this_thread::yield();
        devices.abandon();
    }

    /// Floats from..from+count of one member's.
    static std::vector<float> part(const std::vector<float>& of, std::size_t from, std::size_t count) {
        return {of.begin() + static_cast<std::ptrdiff_t>(from),
                of.begin() + static_cast<std::ptrdiff_t>(from + count)};
    }
    [[nodiscard]] std::vector<float> sum(std::size_t from, std::size_t count) const {
        std::vector<float> total(count, 0);
        for (const std::vector<float>& each : sent)
            for (std::size_t i = 0; i < count; ++i) total[i] += each[from + i];
        return total;
    }

    ProgramBuilder b;
    PlannedRun run;
    Values sent, received;
    testing::HostDevices devices;
    MetOperation operation;
};

constexpr std::size_t kFloats = 840;  ///< divides by 2 to 8
constexpr double kBytes = kFloats * sizeof(float);

class EveryGroup : public ::testing::TestWithParam<std::size_t> {
  protected:
    const std::size_t n = GetParam();
    const std::size_t share = kFloats / n;
};
INSTANTIATE_TEST_SUITE_P(Members, EveryGroup, ::testing::Values(2, 3, 4, 5, 8));

TEST_P(EveryGroup, AllReduceSums) {
    for (const std::size_t floats : {kFloats, kFloats + 1, n - 1, std::size_t{1}}) {
        const One one(CollectiveKind::all_reduce, n, static_cast<double>(floats * sizeof(float)));
        for (const std::vector<float>& each : one.received) EXPECT_EQ(each, one.sum(0, floats));
        // Reduce-scatter and all-gather: n - 1 n-ths of the buffer fetched twice.
        EXPECT_EQ(one.devices.added_bytes, n * floats * sizeof(float));
        EXPECT_EQ(one.devices.copied_bytes, (n - 1) * floats * sizeof(float));
    }
}

TEST_P(EveryGroup, AllGatherJoins) {
    const One one(CollectiveKind::all_gather, n, kBytes);
    std::vector<float> joined;
    for (const std::vector<float>& each : one.sent)
        joined.insert(joined.end(), each.begin(), each.begin() + static_cast<std::ptrdiff_t>(share));
    for (const std::vector<float>& each : one.received) EXPECT_EQ(each, joined);
    EXPECT_EQ(one.devices.copied_bytes, n * static_cast<std::size_t>(kBytes));
}

TEST_P(EveryGroup, ReduceScatterSumsEachShare) {
    const One one(CollectiveKind::reduce_scatter, n, kBytes);
    for (std::size_t i = 0; i < n; ++i)
        EXPECT_EQ(One::part(one.received[i], 0, share), one.sum(i * share, share));
    EXPECT_EQ(one.devices.added_bytes, n * static_cast<std::size_t>(kBytes));
}

TEST_P(EveryGroup, BroadcastAndScatterComeFromTheFirst) {
    const One all(CollectiveKind::broadcast, n, kBytes);
    const One parts(CollectiveKind::scatter, n, kBytes);
    for (std::size_t i = 1; i < n; ++i) {
        EXPECT_EQ(all.received[i], all.sent[0]);
        EXPECT_EQ(One::part(parts.received[i], 0, share), One::part(parts.sent[0], i * share, share));
    }
}

TEST_P(EveryGroup, ReduceAndGatherGoToTheFirst) {
    const One sum(CollectiveKind::reduce, n, kBytes);
    EXPECT_EQ(sum.received[0], sum.sum(0, kFloats));
    const One joined(CollectiveKind::gather, n, kBytes);
    for (std::size_t i = 0; i < n; ++i)
        EXPECT_EQ(One::part(joined.received[0], i * share, share), One::part(joined.sent[i], 0, share));
}

TEST_P(EveryGroup, AllToAllTransposes) {
    const One one(CollectiveKind::all_to_all, n, kBytes);
    for (std::size_t to = 0; to < n; ++to)
        for (std::size_t from = 0; from < n; ++from)
            EXPECT_EQ(One::part(one.received[to], from * share, share),
                      One::part(one.sent[from], to * share, share));
    EXPECT_EQ(one.devices.copied_bytes, n * static_cast<std::size_t>(kBytes));
}

TEST_P(EveryGroup, AllToAllVFollowsItsMatrix) {
    std::vector<double> matrix(n * n);
    std::vector<std::size_t> counts(n * n);
    std::mt19937 random(11);
    double between = 0;
    for (std::size_t i = 0; i < n * n; ++i) {
        counts[i] = random() % 50;
        matrix[i] = static_cast<double>(counts[i] * sizeof(float));
        if (i / n != i % n) between += matrix[i];
    }
    const One one(CollectiveKind::all_to_all_v, n, 0, matrix);
    for (std::size_t to = 0; to < n; ++to) {
        std::size_t at = 0;
        for (std::size_t from = 0; from < n; ++from) {
            if (from == to) continue;
            std::size_t sent_at = 0;
            for (std::size_t other = 0; other < to; ++other)
                if (other != from) sent_at += counts[from * n + other];
            const std::size_t count = counts[from * n + to];
            EXPECT_EQ(One::part(one.received[to], at, count), One::part(one.sent[from], sent_at, count));
            at += count;
        }
    }
    EXPECT_EQ(static_cast<double>(one.devices.copied_bytes), between);
}

TEST(CopiedOperations, HandAMessageOver) {
    const One one(CollectiveKind::send_recv, 2, kBytes);
    EXPECT_EQ(one.received[1], one.sent[0]);
    EXPECT_EQ(static_cast<double>(one.devices.copied_bytes), kBytes);
}

TEST(CopiedOperations, OfABarrierMoveNothing) {
    const One one(CollectiveKind::barrier, 4, 0);
    EXPECT_EQ(one.devices.copied_bytes + one.devices.added_bytes, 0U);
}

}  // namespace
}  // namespace orrery::profiler
