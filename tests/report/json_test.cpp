#include "report/json.hpp"

#include <gtest/gtest.h>

#include "tests/report/json_schema.hpp"
#include "tests/report/sample.hpp"

namespace orrery::report {
namespace {

using orrery::testing::JsonSchema;
using testing::sample_result;
using testing::sample_validation;
using Lines = std::vector<std::string>;

JsonSchema schema(const std::string& name) {
    return JsonSchema(std::string(ORRERY_SOURCE_DIR) + "/docs/" + name + ".schema.json");
}

nlohmann::json parsed(const Json& json) {
    return nlohmann::json::parse(to_text(json));
}

TEST(ResultJson, FollowsItsSchema) {
    EXPECT_EQ(schema("result").errors(parsed(to_json(sample_result()))), Lines{});
}

TEST(ResultJson, FollowsItsSchemaWithWallClockAndWithoutStages) {
    Result result = sample_result("a", 8);
    result.per_stage.clear();
    result.simulation.wall_s = 0.02;
    result.simulation.tasks_per_s = 5e7;
    EXPECT_EQ(schema("result").errors(parsed(to_json(result))), Lines{});
}

TEST(ResultJson, BreaksItsSchemaWhenANumberIsNotFinite) {
    Result result = sample_result();
    result.mfu = std::nan("");
    ASSERT_EQ(schema("result").errors(parsed(to_json(result))).size(), 1u);
}

TEST(JsonSchema, NamesMissingAndUnknownKeys) {
    nlohmann::json json = parsed(to_json(sample_result()));
    json["memory"].erase("fits");
    json["memory"]["colour"] = 1;
    EXPECT_EQ(schema("result").errors(json), (Lines{"/memory: lacks fits", "/memory: unknown key colour"}));
}

TEST(ResultJson, HoldsWhatTheResultHolds) {
    const Result result = sample_result();
    const nlohmann::json json = parsed(to_json(result));
    EXPECT_EQ(json["step_time_s"].get<double>(), result.step_time_s);
    EXPECT_EQ(json["breakdown"]["exposed_comm_s"]["tp"].get<double>(), result.breakdown.exposed_comm_s.tp);
    EXPECT_EQ(json["memory"]["by_kind"]["activations"].get<double>(), result.memory.by_kind_bytes[3]);
    EXPECT_EQ(json["per_stage"].size(), result.per_stage.size());
    EXPECT_FALSE(json["simulation"].contains("wall_s"));
}

TEST(ResultJson, KeepsTheOrderOfItsKeysAndPrintsShortNumbers) {
    Result result = sample_result();
    result.step_time_s = 0.1;
    const std::string text = to_text(to_json(result));
    EXPECT_EQ(text.rfind("{\n  \"experiment\": ", 0), 0u);
    EXPECT_NE(text.find("\"step_time_s\": 0.1,\n"), std::string::npos);
    EXPECT_LT(text.find("\"engine\""), text.find("\"breakdown\""));
    EXPECT_EQ(text.back(), '\n');
}

TEST(ValidationJson, FollowsItsSchema) {
    EXPECT_EQ(schema("validation").errors(parsed(to_json(sample_validation()))), Lines{});
    EXPECT_EQ(schema("validation").errors(parsed(to_json(Validation{}))), Lines{});
}

TEST(ValidationJson, CountsWhatWasSkippedByReasonAndSource) {
    const nlohmann::json json = parsed(to_json(sample_validation()));
    EXPECT_EQ(json["runs_skipped"]["context parallelism is not simulated yet"], 2);
    EXPECT_EQ(json["by_source"]["Megatron-Bridge GB200"]["runs_compared"], 0);
    EXPECT_EQ(json["by_source"]["SC'21 Table 1"]["runs_compared"], 12);
}

TEST(ScriptText, CannotEndItsElementOrLine) {
    const std::string hostile = "</script><script>alert(1)</script><!-- \xE2\x80\xA8 \xE2\x80\xA9 & \xFF";
    const std::string text = to_script_text(Json{{"name", hostile}});
    for (const char* forbidden : {"<", ">", "&", "\xE2\x80\xA8", "\xE2\x80\xA9", "\n"}) {
        EXPECT_EQ(text.find(forbidden), std::string::npos) << forbidden;
    }
    const auto back = nlohmann::json::parse(text)["name"].get<std::string>();
    EXPECT_EQ(back, hostile.substr(0, hostile.size() - 1) + "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace orrery::report
