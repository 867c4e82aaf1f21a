#include "sim/cost/calibration.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace orrery::sim {
namespace {

std::string changed(const std::string& from, const std::string& to) {
    std::string text = to_yaml(load_calibration("h100-sxm-80g"));
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
    try {
        parse_calibration(text, "x.yaml");
    } catch (const InputError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(CalibrationFile, WritesAndReadsBackTheSame) {
    for (const std::string& name : calibration_names()) {
        const std::string text = to_yaml(load_calibration(name));
        EXPECT_EQ(to_yaml(parse_calibration(text, name)), text) << name;
    }
}

TEST(CalibrationFile, EveryGroupSaysWhereItComesFrom) {
    for (const std::string& name : calibration_names()) {
        const Calibration calibration = load_calibration(name);
        EXPECT_EQ(calibration.gpu, name);
        for (const auto& [precision, model] : calibration.gemm) EXPECT_FALSE(model.provenance.source.empty());
        for (const AttentionModel& model : calibration.attention)
            EXPECT_FALSE(model.provenance.source.empty());
        for (const MemoryModel& model : calibration.memory) EXPECT_FALSE(model.provenance.source.empty());
        EXPECT_FALSE(calibration.host.forward_operator.provenance.source.empty());
        EXPECT_LE(calibration.host.forward_operator.low, calibration.host.forward_operator.seconds);
        EXPECT_GE(calibration.host.forward_operator.high, calibration.host.forward_operator.seconds);
    }
}

TEST(CalibrationFile, MistakesNameLineAndKey) {
    EXPECT_NE(refusal(changed("sustained: ", "sustaned: ")).find("did you mean 'sustained'"),
              std::string::npos);
    EXPECT_NE(refusal(changed("bandwidth: 0.", "bandwidth: -0.")).find("x.yaml:"), std::string::npos);
    EXPECT_NE(refusal(changed("  bf16:", "  bf61:")).find("did you mean 'bf16'"), std::string::npos);
    EXPECT_NE(refusal(changed("fixed_s: ", "fixed_s: .nan # ")), "accepted");
    EXPECT_NE(refusal("gpu: x\n"), "accepted");
    EXPECT_NE(refusal("gemm: {}\ngpu: x\n"), "accepted");
}

TEST(CalibrationFile, AnUnknownNameSuggestsTheNearest) {
    try {
        load_calibration("a100-sxm-80gb");
        FAIL();
    } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("a100-sxm-80g"), std::string::npos);
    }
}

}  // namespace
}  // namespace orrery::sim
