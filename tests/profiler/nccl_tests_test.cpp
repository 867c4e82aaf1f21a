// Output of nccl-tests, as its versions print it.
#include "profiler/nccl_tests.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/error.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;

std::string corpus(const std::string& name) {
    std::ifstream in(std::string(ORRERY_SOURCE_DIR) + "/tests/fuzz/corpus/nccl_tests/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

const std::string kDevices =
    "# nThread 1 nGpus 2 minBytes 8 maxBytes 1024\n# Using devices\n"
    "#  Rank  0 Group  0 Pid 313 on node-0 device  0 [0x18] NVIDIA H100 80GB HBM3\n"
    "#  Rank  1 Group  0 Pid 314 on node-0 device  1 [0x2a] NVIDIA H100 80GB HBM3\n"
    "#  Rank  2 Group  0 Pid 315 on node-1 device  0 [0x18] NVIDIA H100 80GB HBM3\n"
    "#  Rank  3 Group  0 Pid 316 on node-1 device  1 [0x2a] NVIDIA H100 80GB HBM3\n";
const std::string kHeader =
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   "
    "busbw #wrong\n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  "
    "(GB/s)\n";

/// A row whose bandwidth is `factor` times bytes / time.
std::string row(double bytes, double us, const std::string& operation, const std::string& root, double factor,
                const std::string& wrong = "0") {
    std::ostringstream out;
    const double algorithm = bytes / us / 1e3;
    out << bytes << " 1 float " << operation << ' ' << root << ' ' << us << ' ' << algorithm << ' '
        << algorithm * factor << ' ' << wrong << " N/A N/A N/A N/A\n";
    return out.str();
}

TEST(NcclTests, ReadsRowsRanksHostsAndTheAverageBehindLabels) {
    const auto sweeps = read_nccl_tests(corpus("two_nodes.txt"), "log");
    ASSERT_EQ(sweeps.size(), 1U);
    const NcclSweep& sweep = sweeps[0];
    EXPECT_EQ(sweep.ranks, 2);
    EXPECT_EQ(sweep.nodes, 2);
    EXPECT_EQ(sweep.gpus_per_process, 1);
    EXPECT_EQ(sweep.gpu, "NVIDIA A100-SXM4-80GB");
    EXPECT_EQ(sweep.kind, CollectiveKind::all_reduce);
    ASSERT_EQ(sweep.rows.size(), 2U);
    EXPECT_DOUBLE_EQ(sweep.rows[0].time_s, 100e-6);
    EXPECT_DOUBLE_EQ(sweep.rows[0].in_place_s.value(), 100e-6);
    EXPECT_FALSE(sweep.rows[1].in_place_s.has_value());
    EXPECT_DOUBLE_EQ(sweep.rows[1].bytes, 2097152);
    EXPECT_NEAR(sweep.stated_average.value(), sweep.average(), 1e5);
}

TEST(NcclTests, ReadsTheColumnsOfOldVersions) {
    const auto sweeps = read_nccl_tests(corpus("old_gather.txt"), "log");
    ASSERT_EQ(sweeps.size(), 1U);
    EXPECT_EQ(sweeps[0].ranks, 4);
    EXPECT_EQ(sweeps[0].nodes, 1);
    EXPECT_EQ(sweeps[0].gpus_per_process, 4);
    EXPECT_FALSE(sweeps[0].kind.has_value());  // an all-gather, or an all-to-all
    EXPECT_THROW(samples_of(sweeps, "log", std::nullopt, "x"), InputError);
    const auto samples = samples_of(sweeps, "log", CollectiveKind::all_gather, "x");
    ASSERT_EQ(samples.size(), 1U);
    EXPECT_EQ(samples[0].network, "nvlink");
    EXPECT_EQ(samples[0].gpus_per_process(), 4);
    EXPECT_DOUBLE_EQ(samples[0].time_s, 1.5e-3);
}

TEST(NcclTests, TellsTheCollectiveByItsNameOrItsFigures) {
    const auto kind = [](const std::string& before, const std::string& one) {
        return read_nccl_tests(before + kDevices + kHeader + one, "log").at(0).kind;
    };
    EXPECT_EQ(kind("", row(1e9, 1e4, "sum", "-1", 1.5)), CollectiveKind::all_reduce);
    EXPECT_EQ(kind("", row(1e9, 1e4, "sum", "-1", 0.75)), CollectiveKind::reduce_scatter);
    EXPECT_EQ(kind("", row(1e9, 1e4, "sum", "0", 1)), CollectiveKind::reduce);
    EXPECT_EQ(kind("", row(1e9, 1e4, "none", "0", 1)), CollectiveKind::broadcast);
    EXPECT_EQ(kind("", row(1e9, 1e4, "none", "-1", 1)), CollectiveKind::send_recv);
    EXPECT_EQ(kind("", row(1e9, 1e4, "none", "-1", 0.75)), std::nullopt);
    EXPECT_EQ(kind("mpirun -np 4 ./build/alltoall_perf -b 8\n", row(1e9, 1e4, "none", "-1", 0.75)),
              CollectiveKind::all_to_all);
    EXPECT_EQ(kind("# Collective test starting: all_gather_perf\n", row(1e9, 1e4, "none", "-1", 0.75)),
              CollectiveKind::all_gather);
}

TEST(NcclTests, SeveralRunsInOneFileStandApart) {
    const auto sweeps =
        read_nccl_tests("srun all_gather_perf\n" + kDevices + kHeader + row(1024, 10, "none", "-1", 0.75) +
                            "# Avg bus bandwidth    : 0.0768\n" + "srun all_reduce_perf\n" + kDevices +
                            kHeader + row(2048, 10, "sum", "-1", 1.5) + row(4096, 12, "sum", "-1", 1.5),
                        "log");
    ASSERT_EQ(sweeps.size(), 2U);
    EXPECT_EQ(sweeps[0].kind, CollectiveKind::all_gather);
    EXPECT_EQ(sweeps[1].kind, CollectiveKind::all_reduce);
    EXPECT_EQ(sweeps[1].rows.size(), 2U);
    EXPECT_EQ(samples_of(sweeps, "log", std::nullopt, "ib").size(), 3U);
}

TEST(NcclTests, LeavesOutRowsWithWrongValues) {
    const auto sweeps = read_nccl_tests(
        kDevices + kHeader + row(1024, 10, "sum", "-1", 1.5, "7") + row(2048, 10, "sum", "-1", 1.5), "log");
    EXPECT_EQ(sweeps.at(0).rows.size(), 1U);
    EXPECT_EQ(sweeps.at(0).wrong_rows, 1);
}

TEST(NcclTests, NamesTheLineOfWhatCannotBe) {
    const auto line_of = [](const std::string& text) -> std::size_t {
        try {
            read_nccl_tests(text, "log");
        } catch (const InputError& error) {
            return error.where.line;
        }
        return 0;
    };
    EXPECT_EQ(line_of("nothing here\n"), 1U);
    EXPECT_EQ(line_of(kHeader + row(1024, 10, "sum", "-1", 1)), 3U);              // no ranks
    EXPECT_EQ(line_of(kDevices + kHeader + "1024 1 float sum -1 10\n"), 9U);      // torn
    EXPECT_EQ(line_of(kDevices + kHeader + row(1024, -10, "sum", "-1", 1)), 9U);  // a negative time
    EXPECT_EQ(line_of(kDevices + kHeader + row(1e30, 10, "sum", "-1", 1)), 9U);   // no such buffer
    EXPECT_EQ(line_of("# nThread 0 nGpus 9999999\n" + kDevices), 1U);
    EXPECT_TRUE(is_nccl_tests(kDevices + kHeader));
    EXPECT_FALSE(is_nccl_tests("gpu,gpus,nodes\n"));
}

}  // namespace
}  // namespace orrery::profiler
