// `orrery serve` as a browser and as an attacker meet it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "command_line.hpp"
#include "live_process.hpp"

namespace orrery {
namespace {

class ServeCommand : public testing::Test {
  protected:
    void SetUp() override {
        if (orrery_command("serve --set parallel.tp=0").status == 3) GTEST_SKIP() << "built without httplib";
    }
};

TEST_F(ServeCommand, GivesTheResultOfRunWithTheSameSettings) {
    LiveProcess served({"quickstart"});
    ASSERT_GT(served.port(), 0);
    const Reply page = served.get("/");
    EXPECT_EQ(page.status, 200);
    EXPECT_NE(page.body.find("</html>"), std::string::npos);
    for (const std::string set : {"", "training.recompute=full", "training.global_batch=256"}) {
        const Reply reply = served.get("/result.json" + (set.empty() ? "" : "?" + set));
        ASSERT_EQ(reply.status, 200) << reply.body;
        const Outcome run = orrery_command("run quickstart --json" + (set.empty() ? "" : " --set " + set));
        ASSERT_EQ(run.status, 0) << run.err;
        const auto live = reply.json();
        const auto ran = nlohmann::json::parse(run.out);
        for (const char* key : {"step_time_s", "mfu", "bubble_ratio", "tokens_per_s"})
            EXPECT_EQ(live[key], ran[key]) << key << ' ' << set;
    }
    const int status = served.end(SIGINT);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ServeCommand, SaysWhatIsWrongWithASetting) {
    const LiveProcess served({"quickstart"});
    ASSERT_GT(served.port(), 0);
    const Reply reply = served.get("/simulate?parallel.tp=5");
    EXPECT_EQ(reply.status, 400);
    EXPECT_NE(reply.json()["error"].get<std::string>().find("does not divide"), std::string::npos);
    EXPECT_EQ(served.get("/simulate?base=/etc/passwd").status, 400);
    EXPECT_EQ(served.get("/").status, 200);
}

TEST_F(ServeCommand, RefusesOtherSitesOtherPathsAndGarbage) {
    const LiveProcess served({"quickstart"});
    ASSERT_GT(served.port(), 0);
    EXPECT_EQ(served.request("GET /", "Host: evil.example\r\n").status, 403);
    for (const char* path :
         {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/configs/quickstart.yaml", "//etc/passwd"})
        EXPECT_EQ(served.get(path).status, 404) << path;
    const std::string large(1 << 20, 'x');
    const std::string answer = served.exchange(
        "POST /simulate HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(large.size()) +
        "\r\n\r\n" + large);
    EXPECT_EQ(answer.find(" 200 "), std::string::npos);
    std::mt19937 random(3);
    for (int trial = 0; trial < 40; ++trial) {
        std::string bytes = trial % 2 == 0 ? "GET /simulate?" : "";
        for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random() % 256);
        (void)served.exchange(bytes + "\r\n\r\n", 0);
    }
    EXPECT_EQ(served.get("/simulate").status, 200);
}

}  // namespace
}  // namespace orrery
