// The what-if studies of the network, run whole: what docs/studies says they show, and what counting bytes
// and links says they must.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "study/sweep/sweep.hpp"

namespace orrery::study {
namespace {

/// The points of a study in their order, by column.
class Points {
  public:
    explicit Points(const std::string& name)
        : study(load_study(std::string(ORRERY_SOURCE_DIR) + "/configs/studies/" + name + ".yaml")) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t id = 0; id < study.space.size(); ++id) {
            rows.push_back(run_point(study, id));
            EXPECT_EQ(rows.back().status, PointStatus::ok) << name << ' ' << id << ": " << rows.back().reason;
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        EXPECT_LT(took.count(), 60) << name;
    }

    [[nodiscard]] std::size_t size() const { return rows.size(); }

    [[nodiscard]] double operator()(std::size_t point, const std::string& figure) const {
        const auto at = std::find(study.figures.begin(), study.figures.end(), figure);
        if (at == study.figures.end()) throw std::out_of_range(figure);
        const sqlite::Value& value =
            rows[point].figures[static_cast<std::size_t>(at - study.figures.begin())];
        if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
        return std::get<double>(value);
    }
    [[nodiscard]] double step(std::size_t point) const { return (*this)(point, "step_time_s"); }
    [[nodiscard]] double experts(std::size_t point) const { return (*this)(point, "breakdown.exposed_ep_s"); }

  private:
    Study study;
    std::vector<PointRow> rows;
};

TEST(WhatIf, OversubscriptionCostsWhatCrossesTheUplinks) {
    const Points points("oversubscription");
    ASSERT_EQ(points.size(), 12U);
    // Rings through racks of two nodes need half of the uplinks.
    EXPECT_NEAR(points.step(1) / points.step(0), 1, 1e-6);
    EXPECT_GT(points.step(2), 1.02 * points.step(0));
    EXPECT_GT(points.step(3), 1.3 * points.step(0));
    // Experts in a node: pipeline and gradients only.
    EXPECT_GT(points.step(7), 1.05 * points.step(4));
    EXPECT_LT(points.step(7), 1.3 * points.step(4));
    // Six of the seven nodes that an all-to-all leaves to are beyond the uplinks.
    EXPECT_NEAR(points.experts(9) / points.experts(8), 2 * 6.0 / 7, 0.02);
    EXPECT_NEAR(points.experts(10) / points.experts(9), 2, 0.02);
    EXPECT_NEAR(points.experts(11) / points.experts(10), 2, 0.02);
}

TEST(WhatIf, RailsPayWhereTrafficKeepsToThem) {
    const Points points("rails");
    ASSERT_EQ(points.size(), 16U);
    // Of each pair: rail-optimised, fat tree. Straight: adaptive, ecmp at 1:1, adaptive, ecmp at 2:1.
    EXPECT_NEAR(points.step(0) / points.step(1), 1, 1e-3);
    EXPECT_GT(points.step(6), points.step(7));
    // Under a leaf of four nodes are three of the seven others: 4/7 of the bytes on half of the uplinks.
    EXPECT_NEAR(points.experts(5) / points.experts(1), 2 * 4.0 / 7, 0.01);
    // Once to each node, on its own rail: no spine, so no ratio and no routing matters.
    for (const std::size_t rail : {10U, 12U, 14U}) EXPECT_NEAR(points.step(rail) / points.step(8), 1, 1e-6);
    EXPECT_GT(points.step(13), 1.05 * points.step(9));
    EXPECT_LT(points.step(8), 0.85 * points.step(0));
}

TEST(WhatIf, ALargeNvlinkDomainPaysBeyondEightGpus) {
    const Points points("nvlink-domain");
    ASSERT_EQ(points.size(), 12U);
    // Llama: domains of 64 with tp 8, 16, then of 8.
    EXPECT_LT(points.step(2) / points.step(0), 1.1);
    EXPECT_GT(points.step(3) / points.step(1), 1.25);
    // DeepSeek: ep 8 and 64, each straight and hierarchical; domains of 64, then of 8.
    EXPECT_NEAR(points.experts(8) / points.experts(4), 1, 0.02);  // ep 8 uses NVLink on both
    EXPECT_GT(points.step(10) / points.step(6), 2);
    EXPECT_GT(points.step(11) / points.step(6), 1.5);
    EXPECT_LT(points.step(6), 1.02 * points.step(4));
}

TEST(WhatIf, OneSlowPartSetsThePace) {
    const Points points("slow-part");
    ASSERT_EQ(points.size(), 18U);
    const double sharded = points.step(0);
    const double pipelined = points.step(9);
    const std::vector<double> slowdown{1.1, 1.5, 2};
    for (std::size_t i = 0; i < slowdown.size(); ++i) {
        // All wait for the slow one in every layer; a pipeline's communication and bubble do not stretch.
        EXPECT_NEAR(points.step(1 + i) / sharded, slowdown[i], 0.06);
        EXPECT_LT(points.step(10 + i) / pipelined, slowdown[i]);
        EXPECT_GT(points.step(10 + i) / pipelined, 1 + 0.5 * (slowdown[i] - 1));
    }
    for (std::size_t i = 1; i <= 8; ++i) {
        EXPECT_GT(points.step(i), sharded) << i;
        EXPECT_GT(points.step(9 + i), pipelined) << i;
    }
    EXPECT_GT(points.step(6), 2 * sharded);        // a NIC at a tenth
    EXPECT_LT(points.step(15), 1.2 * pipelined);   // of which the pipeline needs little
    EXPECT_LT(points.step(7), 1.05 * sharded);     // an NVLink port at a half
    EXPECT_GT(points.step(16) / pipelined, 1.08);  // tensor parallelism lives on it
}

}  // namespace
}  // namespace orrery::study
