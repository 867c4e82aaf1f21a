// orrery export and orrery replay: a step as Chakra traces and back through the command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

const std::string kSmall =
    " " ORRERY_SOURCE_DIR
    "/configs/llama3-8b.yaml --set parallel.sharding=none --set parallel.tp=2 --set parallel.pp=2 --set "
    "training.global_batch=8 --set granularity=layer ";

class Export : public ::testing::Test {
  protected:
    void SetUp() override {
        const Outcome done = export_to("traces");
        if (done.status == 3) GTEST_SKIP() << "built without Protocol Buffers";
        ASSERT_EQ(done.status, 0) << done.err;
        exported_ = Json::parse(done.out);
    }

    [[nodiscard]] std::string path(const std::string& name) const { return scratch_.path(name); }
    [[nodiscard]] Outcome export_to(const std::string& name) const {
        return orrery_command("export" + kSmall + "--json --out " + path(name));
    }

    ScratchFolder scratch_;
    Json exported_;
};

TEST_F(Export, ReplayGivesTheStepOfTheRun) {
    EXPECT_EQ(exported_["ranks"], 8);
    EXPECT_TRUE(std::filesystem::exists(path("traces/trace.7.et")));
    const Outcome replayed = orrery_command("replay " + path("traces") + " --json --out " + path("again"));
    ASSERT_EQ(replayed.status, 0) << replayed.err;
    const Json json = Json::parse(replayed.out);
    EXPECT_NEAR(json["step_time_s"].get<double>(), exported_["makespan_s"].get<double>(), 1e-6);
    const Json run = Json::parse(orrery_command("run" + kSmall + "--json").out);
    EXPECT_NEAR(json["step_time_s"].get<double>(), run["step_time_s"].get<double>(), 1e-6);
    EXPECT_GT(json["communication"]["send-recv"]["operations"], 0);
    EXPECT_TRUE(std::filesystem::exists(path("again/trace.json.gz")));
    EXPECT_TRUE(std::filesystem::exists(path("again/replay.json")));
}

TEST_F(Export, TheSameExperimentGivesTheSameBytes) {
    ASSERT_EQ(export_to("second").status, 0);
    for (const auto& entry : std::filesystem::directory_iterator(path("traces"))) {
        const std::string name = entry.path().filename().string();
        EXPECT_EQ(scratch_.contents("traces/" + name), scratch_.contents("second/" + name)) << name;
    }
}

TEST_F(Export, AnotherClusterChangesTheCommunication) {
    const Json recorded = Json::parse(orrery_command("replay " + path("traces") + " --json").out);
    const Json slower =
        Json::parse(orrery_command("replay " + path("traces") + " --cluster dgx-a100 --json").out);
    EXPECT_NEAR(slower["mean_compute_s"].get<double>(), recorded["mean_compute_s"].get<double>(), 1e-9);
    EXPECT_GT(slower["step_time_s"], recorded["step_time_s"]);
    EXPECT_THAT(orrery_command("replay " + path("traces") + " --cluster dgx-a100").out,
                HasSubstr("on dgx-a100"));
}

TEST_F(Export, MistakesAreNamed) {
    const Outcome engine = orrery_command("replay " + path("traces") + " --engine flwo");
    EXPECT_EQ(engine.status, 2);
    EXPECT_THAT(engine.err, HasSubstr("did you mean 'flow'"));
    const Outcome alone = orrery_command("replay " + path("traces") + " --engine flow");
    EXPECT_EQ(alone.status, 2);
    EXPECT_THAT(alone.err, HasSubstr("expected --cluster NAME"));
    const Outcome nothing = orrery_command("replay " + path("none"));
    EXPECT_EQ(nothing.status, 2);
    EXPECT_THAT(nothing.err, HasSubstr(path("none")));
    std::filesystem::resize_file(path("traces/trace.2.et"), 1000);
    const Outcome cut = orrery_command("replay " + path("traces"));
    EXPECT_EQ(cut.status, 2);
    EXPECT_THAT(cut.err, HasSubstr("trace.2.et: byte "));
}

}  // namespace
}  // namespace orrery
