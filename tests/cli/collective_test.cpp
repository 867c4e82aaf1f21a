#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command_line.hpp"

namespace orrery {
namespace {

TEST(CollectiveCommand, PrintsOneJsonObjectWithTheAgreedKeys) {
    const Outcome outcome =
        orrery_command("collective all-reduce --bytes 64MiB --ranks 16 --cluster dgx-a100 --json");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json.at("collective"), "all-reduce");
    EXPECT_EQ(json.at("ranks"), 16);
    EXPECT_EQ(json.at("bytes"), 64 << 20);
    EXPECT_EQ(json.at("engine"), "replay");
    EXPECT_GT(json.at("time_s").get<double>(), 0);
    EXPECT_NEAR(json.at("bus_bandwidth").get<double>(),
                30.0 / 16 * (64 << 20) / json.at("time_s").get<double>(), 1);
    for (const char* key : {"algorithm", "protocol", "messages"}) EXPECT_TRUE(json.contains(key)) << key;
    for (const char* key : {"wall_s", "messages_per_s"})
        EXPECT_TRUE(json.at("simulation").contains(key)) << key;
}

TEST(CollectiveCommand, ForcesAnAlgorithmAndCountsItsMessages) {
    const Outcome outcome = orrery_command(
        "collective all-reduce --bytes 1048576 --ranks 8 --cluster dgx-a100 --algorithm ring --protocol "
        "Simple --json");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json.at("algorithm"), "ring");
    EXPECT_EQ(json.at("protocol"), "Simple");
    EXPECT_EQ(json.at("messages"), 2 * 7 * 8);
}

TEST(CollectiveCommand, NamesWhatWasMeant) {
    const auto error = [](const std::string& arguments) {
        const Outcome outcome = orrery_command("collective " + arguments);
        EXPECT_EQ(outcome.status, 2) << arguments;
        return outcome.err;
    };
    EXPECT_NE(error("all-reduc --bytes 1 --ranks 8 --cluster dgx-a100").find("did you mean 'all-reduce'"),
              std::string::npos);
    EXPECT_NE(error("all-reduce --bytes 1 --ranks 8 --cluster dgx-a10").find("did you mean 'dgx-a100'"),
              std::string::npos);
    EXPECT_NE(error("all-reduce --bytes 1 --ranks 8 --cluster dgx-a100 --algorithm rign")
                  .find("did you mean 'ring'"),
              std::string::npos);
    EXPECT_NE(error("all-reduce --bytes 1 --ranks 8 --cluster dgx-a100 --algorithm nvls").find("does not do"),
              std::string::npos);
}

TEST(ShowCommand, ShowsAClusterInEightyColumns) {
    const Outcome outcome = orrery_command("show cluster dgx-h100 --nodes 64");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("8 x h100-sxm-80g"), std::string::npos);
    EXPECT_NE(outcome.out.find("bisection"), std::string::npos);
    for (std::size_t at = 0; at < outcome.out.size();) {
        const std::size_t end = std::min(outcome.out.find('\n', at), outcome.out.size());
        EXPECT_LE(end - at, 80U) << outcome.out.substr(at, end - at);
        at = end + 1;
    }
    EXPECT_EQ(orrery_command("show clusters dgx-h100").status, 2);
}

}  // namespace
}  // namespace orrery
