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

TEST(CollectiveCommand, TakesSizesAsPeopleWriteThem) {
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"1000", 1000},        {"1e9", 1'000'000'000}, {"8K", 8192},
        {"64MiB", 64 << 20},   {"1GB", 1'000'000'000}, {"1.5gib", std::int64_t{3} << 29},
        {"'2 MB'", 2'000'000},
    };
    for (const auto& [text, bytes] : sizes) {
        const Outcome outcome = orrery_command(
            std::string("collective all-reduce --ranks 8 --cluster dgx-a100 --json --bytes ") + text);
        ASSERT_EQ(outcome.status, 0) << text << outcome.err;
        EXPECT_EQ(nlohmann::json::parse(outcome.out).at("bytes"), bytes) << text;
    }
    for (const char* text : {"0", "-1", "1.5", "12QB", "GiB", "1e30", "nan"}) {
        const Outcome outcome =
            orrery_command(std::string("collective all-reduce --ranks 8 --cluster dgx-a100 --bytes=") + text);
        EXPECT_EQ(outcome.status, 2) << text;
        EXPECT_NE(outcome.err.find("64MiB"), std::string::npos) << text << outcome.err;
    }
}

TEST(CollectiveCommand, RunsOnTheFirstNodesOfAWholeCluster) {
    const std::string command = "collective all-reduce --bytes 64MiB --ranks 64 --json --cluster ";
    const Outcome whole = orrery_command(command + "eos");
    ASSERT_EQ(whole.status, 0) << whole.err;
    const auto json = nlohmann::json::parse(whole.out);
    EXPECT_EQ(json.at("cluster"), "eos");
    // Eight nodes lie under one leaf of either.
    const auto nodes = nlohmann::json::parse(orrery_command(command + "dgx-h100").out);
    EXPECT_NEAR(json.at("time_s").get<double>(), nodes.at("time_s").get<double>(),
                0.02 * nodes.at("time_s").get<double>());
    const Outcome many = orrery_command("collective all-reduce --bytes 64MiB --ranks 4609 --cluster eos");
    EXPECT_EQ(many.status, 2);
    EXPECT_NE(many.err.find("at most 4608 ranks"), std::string::npos) << many.err;
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

nlohmann::json json_of(const std::string& arguments) {
    const Outcome outcome = orrery_command("collective " + arguments + " --json");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
}

TEST(CollectiveCommand, MovesMessagesOverTheLinksAndSaysWhichTierTheyCross) {
    // Bare links: there the closed form is the messages' time.
    const std::string ring =
        "all-reduce --bytes 1GiB --ranks 16 --cluster dgx-h100 --algorithm ring --protocol Simple "
        "--calibration ideal";
    const auto closed = json_of(ring);
    const auto moved = json_of(ring + " --engine messages");
    EXPECT_EQ(moved.at("engine"), "messages");
    EXPECT_NEAR(moved.at("time_s").get<double>(), closed.at("time_s").get<double>(),
                0.02 * closed.at("time_s").get<double>());
    // Each ring crosses between the two nodes twice of 16 hops.
    const double all = 30.0 * (1 << 30);
    EXPECT_NEAR(moved.at("bytes_by_tier").at("network").get<double>(), all / 8, 1);
    EXPECT_NEAR(moved.at("bytes_by_tier").at("node").get<double>(), all * 7 / 8, 1);
    EXPECT_EQ(moved.at("bytes_by_tier"), closed.at("bytes_by_tier"));
}

TEST(CollectiveCommand, SkewsAnAllToAllV) {
    const std::string exchange = "all-to-all-v --bytes 64MiB --ranks 16 --cluster dgx-h100 --skew ";
    const double even = json_of(exchange + "0").at("time_s").get<double>();
    const double skewed = json_of(exchange + "1.2").at("time_s").get<double>();
    EXPECT_GT(skewed, 3 * even);
    EXPECT_NEAR(json_of("all-to-all --bytes 64MiB --ranks 16 --cluster dgx-h100").at("time_s").get<double>(),
                even, 1e-9);
    EXPECT_GT(json_of(exchange + "1.2 --engine messages").at("time_s").get<double>(), 3 * even);
    EXPECT_EQ(orrery_command("collective all-reduce --bytes 1 --ranks 8 --cluster dgx-a100 --skew 1").status,
              2);
    EXPECT_EQ(
        orrery_command("collective all-reduce --bytes 1 --ranks 8 --cluster dgx-a100 --engine flwo").status,
        2);
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
    for (const char* what : {"dgx-h100 --nodes 64", "eos --route 0 4607", "tpu-v4-pod --route 0 4095",
                             "meta-24k", "dgx-1-v100 --route 0 6", "dgx-h100 --nodes 8 --fabric two-sites"}) {
        const Outcome outcome = orrery_command(std::string("show cluster ") + what);
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_NE(outcome.out.find("bisection"), std::string::npos);
        for (std::size_t at = 0; at < outcome.out.size();) {
            const std::size_t end = std::min(outcome.out.find('\n', at), outcome.out.size());
            EXPECT_LE(end - at, 80U) << outcome.out.substr(at, end - at);
            at = end + 1;
        }
    }
    EXPECT_EQ(orrery_command("show clusters dgx-h100").status, 2);
}

TEST(ShowCommand, ShowsTheWayBetweenTwoRanks) {
    const Outcome outcome = orrery_command("show cluster dgx-h100 --nodes 2 --route 0 9");
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    for (const char* link : {"gpu 0 pcie out", "node 0 nic 0 out", "node 1 nic 1 in", "gpu 9 pcie in"})
        EXPECT_NE(outcome.out.find(link), std::string::npos) << link;
    EXPECT_EQ(orrery_command("show cluster dgx-h100 --route 0 8").status, 2);
    EXPECT_EQ(orrery_command("show cluster dgx-h100 --nodes 2 --fabric tpu-v4-torus").status, 2);
}

}  // namespace
}  // namespace orrery
