// nccl-tests' output made from a known model, calibrated, and held against that model.
#include "profiler/calibrate_collectives.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;

struct Program {
    const char* name;
    CollectiveKind kind;
    const char* operation;
};
constexpr Program kPrograms[] = {{"all_reduce_perf", CollectiveKind::all_reduce, "sum"},
                                 {"all_gather_perf", CollectiveKind::all_gather, "none"},
                                 {"reduce_scatter_perf", CollectiveKind::reduce_scatter, "sum"},
                                 {"alltoall_perf", CollectiveKind::all_to_all, "none"}};

/// A machine that is not the prior's: slower links, other latencies.
sim::CollectiveCalibration truth() {
    sim::CollectiveCalibration c = tuner_prior(false);
    c.link_efficiency = 0.71;
    c.network_efficiency = 0.9;
    c.ring[2].start_s = 14e-6;
    c.ring[2].link_step_s = 4e-6;
    c.ring[0].start_s = 9e-6;
    c.network_start_s = 15e-6;
    return c;
}

class Machine {
  public:
    explicit Machine(double noise_in) : noise(noise_in) {}

    /// What one program prints on `nodes` nodes of eight GPUs, a process a GPU.
    std::string run(const Program& program, int nodes) {
        std::string text = fmt::format(
            "host:1:1 [0] NCCL INFO NCCL version 2.21.5+cuda12.4\n"
            "# mpirun -np {} {} -b 1K -e 4G -f 2\n"
            "# nThread 1 nGpus 1 minBytes 1024 maxBytes 4294967296\n"
            "# Using devices\n",
            8 * nodes, program.name);
        for (int rank = 0; rank < 8 * nodes; ++rank)
            text += fmt::format(
                "#  Rank {:2} Group  0 Pid {} on node-{} device {:2} [0x07] NVIDIA A100-SXM4-80GB\n", rank,
                100 + rank, rank / 8, rank % 8);
        text +=
            "#       size         count      type   redop    root     time   algbw   busbw #wrong\n"
            "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)\n";
        double sum = 0;
        int rows = 0;
        for (double bytes = 1024; bytes <= 4294967296.0; bytes *= 2, ++rows) {
            const double time = exact(program.kind, bytes, nodes) * std::exp(noise * normal(random));
            const double bus = sim::bus_bandwidth(program.kind, bytes, 8 * nodes, time) * 1e-9;
            sum += bus;
            text += fmt::format("{:12.0f} {:12.0f} float {:>6} -1 {:.2f} {:.3f} {:.3f} 0\n", bytes, bytes / 4,
                                program.operation, time * 1e6, bytes / time * 1e-9, bus);
        }
        return text + fmt::format("# Avg bus bandwidth    : {:.4f}\n", sum / rows);
    }

    static double exact(CollectiveKind kind, double bytes, int nodes) {
        const topologies::Cluster cluster = topologies::make_cluster("dgx-a100", nodes);
        std::vector<std::uint32_t> devices(static_cast<std::size_t>(8 * nodes));
        for (std::size_t d = 0; d < devices.size(); ++d) devices[d] = static_cast<std::uint32_t>(d);
        return sim::price_collective(kind, bytes, devices, cluster, truth()).time_s;
    }

  private:
    double noise;
    std::mt19937 random{5};
    std::normal_distribution<double> normal;
};

std::filesystem::path folder() {
    const auto path = std::filesystem::path(testing::TempDir()) / ("nccl-logs-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path);
    return path;
}

std::filesystem::path written(const std::string& name, const std::string& text) {
    const auto path = folder() / name;
    std::ofstream(path) << text;
    return path;
}

CollectiveLogs logs_of(std::vector<std::filesystem::path> paths) {
    CollectiveLogs logs;
    logs.paths = std::move(paths);
    logs.node = "dgx-a100";
    logs.base = "tuner";
    logs.name = "mine";
    return logs;
}

/// The four programs on one node in one file, on two and four nodes in another.
std::vector<std::filesystem::path> synthetic(double noise) {
    Machine machine(noise);
    std::string one;
    std::string several;
    for (const Program& program : kPrograms) {
        one += machine.run(program, 1);
        several += machine.run(program, 2) + machine.run(program, 4);
    }
    return {written("one node.txt", one), written("several.txt", several)};
}

TEST(CalibrateCollectives, PredictsTheMachineThatPrintedTheLogs) {
    constexpr double kNoise = 0.02;
    const CollectivesFit fit = calibrate_collectives(logs_of(synthetic(kNoise)));
    EXPECT_EQ(fit.samples, 4 * 3 * 23);
    EXPECT_TRUE(fit.warnings.empty()) << fit.warnings.front();
    const sim::CollectiveCalibration& c = fit.calibration;
    EXPECT_NEAR(c.link_efficiency, 0.71, 0.03);
    EXPECT_NEAR(c.network_efficiency, 0.9, 0.04);

    // Sizes between those measured, and eight nodes, which were not.
    for (const int nodes : {1, 2, 4, 8}) {
        const topologies::Cluster cluster = topologies::make_cluster("dgx-a100", nodes);
        std::vector<std::uint32_t> devices(static_cast<std::size_t>(8 * nodes));
        for (std::size_t d = 0; d < devices.size(); ++d) devices[d] = static_cast<std::uint32_t>(d);
        for (const Program& program : kPrograms)
            for (double bytes = 3e3; bytes < 4e9; bytes *= 3)
                EXPECT_NEAR(sim::price_collective(program.kind, bytes, devices, cluster, c).time_s /
                                Machine::exact(program.kind, bytes, nodes),
                            1, nodes == 8 ? 0.1 : 0.05)
                    << program.name << ' ' << nodes << ' ' << bytes;
    }
}

TEST(CalibrateCollectives, StatesErrorsByCollectiveAndDecadeSeenAndNot) {
    constexpr double kNoise = 0.02;
    const auto path = folder() / "mine.yaml";
    sim::save_collectives(calibrate_collectives(logs_of(synthetic(kNoise))).calibration, path);
    const sim::CollectiveCalibration read = sim::load_collectives(path.string());
    EXPECT_EQ(read.name, "mine");
    int held_out = 0;
    bool decade = false;
    for (const sim::CalibrationResidual& row : read.residuals) {
        held_out += row.held_out ? 1 : 0;
        decade = decade || (row.held_out && row.what == "all-to-all, 2 nodes, 1e08 bytes");
        // The median of |N(0, s)| is 0.67 s; a few rows a decade leave room around it.
        EXPECT_LT(row.median_error, 3 * kNoise) << row.what;
    }
    EXPECT_EQ(2 * held_out, static_cast<int>(read.residuals.size()));
    EXPECT_TRUE(decade);
    const auto said = [&](const std::string& words) {
        for (const std::string& sentence : read.provenance)
            if (sentence.find(words) != std::string::npos) return true;
        return false;
    };
    EXPECT_TRUE(
        said("measured: 23 rows of all-reduce on 1 node of 8 x NVIDIA A100-SXM4-80GB, NCCL "
             "2.21.5+cuda12.4, one_node.txt"));
    EXPECT_TRUE(said("measured: 23 rows of all-to-all on 4 nodes"));
    EXPECT_FALSE(said("published"));
    EXPECT_FALSE(said("nothing was measured between nodes"));
}

TEST(CalibrateCollectives, WhatTheLogsLeaveOpenIsThePriors) {
    Machine machine(0);
    CollectiveLogs logs = logs_of({written("one.txt", machine.run(kPrograms[0], 1))});
    logs.base.clear();  // the node's own calibration
    logs.notes = {"taken on 2026-11-24"};
    const CollectivesFit fit = calibrate_collectives(logs);
    const sim::CollectiveCalibration prior =
        sim::load_collectives(topologies::make_cluster("dgx-a100", 1).node.collectives);
    EXPECT_NEAR(fit.calibration.network_efficiency, prior.network_efficiency, 1e-6);
    EXPECT_NEAR(fit.calibration.ring[2].network_step_s / prior.ring[2].network_step_s, 1, 1e-6);
    const auto& said = fit.calibration.provenance;
    EXPECT_EQ(said.front(), "prior: the calibration " + prior.name);
    EXPECT_EQ(said.at(said.size() - 2), "nothing was measured between nodes: those figures are the prior's");
    EXPECT_EQ(said.back(), "taken on 2026-11-24");
}

TEST(CalibrateCollectives, NamesWhatCannotBe) {
    Machine machine(0);
    const std::string log = machine.run(kPrograms[0], 1);
    const auto mistake = [](const CollectiveLogs& logs) -> std::string {
        try {
            calibrate_collectives(logs);
        } catch (const InputError& error) {
            return error.what();
        }
        return "none";
    };
    CollectiveLogs logs = logs_of({written("log.txt", log)});
    logs.node = "dgx-a10";
    EXPECT_NE(mistake(logs).find("dgx-a100"), std::string::npos) << mistake(logs);
    logs = logs_of({written("log.txt", log)});
    logs.base = "a100-nvswich-ib";
    EXPECT_NE(mistake(logs).find("a100-nvswitch-ib"), std::string::npos) << mistake(logs);
    logs = logs_of({written("log.txt", log)});
    logs.node = "piz-daint";
    EXPECT_NE(mistake(logs).find("8 GPUs on a node; piz-daint has 1"), std::string::npos) << mistake(logs);
    EXPECT_EQ(mistake(logs_of({written("text.txt", "nothing\n")})).substr(folder().string().size()),
              "/text.txt:1: size: no row of nccl-tests in this file");
    EXPECT_NE(mistake(logs_of({folder() / "absent.txt"})).find("absent.txt"), std::string::npos);
}

TEST(CalibrateCollectives, WarnsOfALogThatLacksRows) {
    Machine machine(0);
    std::string log = machine.run(kPrograms[0], 1);
    const std::size_t row = log.rfind("\n", log.find("# Avg") - 2);
    log.erase(row, log.find("# Avg") - 1 - row);  // the last, fastest one
    const CollectivesFit fit = calibrate_collectives(logs_of({written("torn.txt", log)}));
    ASSERT_EQ(fit.warnings.size(), 1U);
    EXPECT_NE(fit.warnings[0].find("it may lack rows"), std::string::npos);
}

}  // namespace
}  // namespace orrery::profiler
