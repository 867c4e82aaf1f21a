// orrery validate CONFIG --numeric, as a user meets it.
#include <gtest/gtest.h>

#include <algorithm>

#include <nlohmann/json.hpp>
#include <sstream>

#include "../report/json_schema.hpp"
#include "command_line.hpp"
#include "report/numeric_check.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

constexpr const char* kPlan = R"(
model: {family: gpt, layers: 4, hidden: 32, heads: 4, vocab: 64, seq_length: 16}
cluster: {node: dgx-a100, gpus: 4}
parallel: {tp: 2, pp: 2, sequence_parallel: true}
schedule: zb-h1
training: {global_batch: 4, micro_batch: 1, recompute: selective}
)";

std::vector<std::string> schema_errors(const Json& value) {
    return testing::JsonSchema(ORRERY_SOURCE_DIR "/docs/numeric_check.schema.json").errors(value);
}

void expect_narrow(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        });
        EXPECT_LE(columns, 80) << line;
    }
}

class NumericCheckCommand : public ::testing::Test {
  protected:
    NumericCheckCommand() { folder.write("plan.yaml", kPlan); }
    [[nodiscard]] Outcome run(const std::string& arguments) const {
        return orrery_command("validate " + folder.path("plan.yaml") + " --numeric " + arguments);
    }
    ScratchFolder folder;
};

TEST_F(NumericCheckCommand, PrintsHowFarTheProgramIsFromOneRank) {
    const Outcome outcome = run("--orders 1");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    for (const char* part :
         {"zb-h1: tp 2 with sequence parallelism", "in 6 legal orders", "gradients of all weights",
          "every operation moves as many bytes as the program prices"})
        EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
    expect_narrow(outcome.out);
}

TEST_F(NumericCheckCommand, PrintsOneJsonObjectThatItsSchemaAllows) {
    const Outcome outcome = run("--json --orders 0");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    EXPECT_EQ(schema_errors(json), std::vector<std::string>{});
    EXPECT_TRUE(json["passed"]);
    EXPECT_EQ(json["made_small"], "");
    EXPECT_LT(json["gradient_error"], 1e-10);
}

TEST_F(NumericCheckCommand, MakesALargeModelSmallAndKeepsItsTasks) {
    const Outcome outcome =
        run("--json --orders 0 --set model.hidden=1024 --set model.heads=16 --set model.vocab=50000 "
            "--set model.seq_length=2048 --set training.micro_batch=4 --set training.global_batch=16");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    EXPECT_TRUE(json["same_tasks"]);
    for (const char* part :
         {"hidden 1024 to 8", "vocab 50000 to 32", "seq_length 2048 to 8", "micro_batch 4 to 2"})
        EXPECT_NE(json["made_small"].get<std::string>().find(part), std::string::npos) << json["made_small"];
}

TEST_F(NumericCheckCommand, RefusesWhatItDoesNotCompute) {
    const Outcome outcome = run("--set schedule=pipedream");
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("has no flush"), std::string::npos) << outcome.err;
    EXPECT_EQ(run("--on mpi").status, 2);
    EXPECT_EQ(run("--out " + folder.path("report")).status, 2);
    EXPECT_EQ(orrery_command("validate --numeric").status, 2);
    const Outcome large = orrery_command("validate gpt3-175b-1024 --numeric");
    EXPECT_EQ(large.status, 1);
    EXPECT_NE(large.err.find("too many to compute"), std::string::npos) << large.err;
}

TEST(NumericCheckReport, NamesTheTaskThatFailed) {
    report::NumericCheck check;
    check.experiment = "plan";
    check.ranks = 2;
    check.tasks = 30;
    check.orders = {"the simulated order"};
    check.failure = {"the simulated order", "rank 1 (device 1), stream compute, task 7: block forward mb 0",
                     "reads the output of qkv of block (layer 1), micro-batch 0, which is not there"};
    const std::string text = report::numeric_check_text(check);
    EXPECT_NE(text.find("FAILED in the simulated order"), std::string::npos) << text;
    EXPECT_NE(text.find("rank 1 (device 1)"), std::string::npos) << text;
    EXPECT_EQ(text.find("largest relative deviation"), std::string::npos) << text;
    expect_narrow(text);
    const Json json = Json::parse(report::to_text(report::to_json(check)));
    EXPECT_EQ(schema_errors(json), std::vector<std::string>{});
    EXPECT_FALSE(json["passed"]);
}

}  // namespace
}  // namespace orrery
