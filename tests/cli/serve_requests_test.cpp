// Requests to `orrery serve`, well-meant and not.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "command_line.hpp"
#include "live_process.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

constexpr const char* kExperiment =
    "model: {family: gpt, layers: 16, hidden: 1024, heads: 16, vocab: 51200, seq_length: 1024}\n"
    "cluster: {node: dgx-a100, nodes: 2}\n"
    "parallel: {tp: 2, pp: 4}\n"
    "schedule: {name: 1f1b}\n"
    "training: {global_batch: 64, micro_batch: 1}\n"
    "granularity: layer\n";

class LiveRequests : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder_ = std::make_unique<ScratchFolder>();
        folder_->write("small.yaml", kExperiment);
        server_ = std::make_unique<LiveProcess>(std::vector{file()});
    }
    static void TearDownTestSuite() {
        server_.reset();
        folder_.reset();
    }
    void SetUp() override {
        ASSERT_NE(server_, nullptr);
        if (server_->port() == 0) GTEST_SKIP() << "built without cpp-httplib";
    }
    static std::string file() { return folder_->path("small.yaml"); }

    static std::unique_ptr<ScratchFolder> folder_;
    static std::unique_ptr<LiveProcess> server_;
};
std::unique_ptr<ScratchFolder> LiveRequests::folder_;
std::unique_ptr<LiveProcess> LiveRequests::server_;

TEST_F(LiveRequests, GivesThePageWithItsSettings) {
    const Reply page = server_->get("/");
    EXPECT_EQ(page.status, 200);
    for (const char* text : {"<!doctype html>", "name=\"parallel.tp\" value=\"2\"", "name=\"schedule.name\"",
                             "Where the time goes", "connect-src 'self'", "simulated in"})
        EXPECT_NE(page.body.find(text), std::string::npos) << text;
    EXPECT_NE(page.head.find("nosniff"), std::string::npos);
    const Reply changed = server_->get("/?parallel.tp=4");
    EXPECT_EQ(changed.status, 200);
    EXPECT_NE(changed.body.find("name=\"parallel.tp\" value=\"4\""), std::string::npos);
}

TEST_F(LiveRequests, RerunsAsTheCommandLineDoes) {
    const std::vector<std::vector<std::string>> cases{
        {},
        {"parallel.tp=4"},
        {"parallel.tp=1", "parallel.pp=8", "training.global_batch=128"},
        {"schedule.name=gpipe", "training.micro_batch=2"},
        {"engine=flow", "cluster.nic_bandwidth=1e9"},
        {"cluster.gpu_link_bandwidth=25e9", "training.recompute=full", "granularity=kernel"},
    };
    for (const auto& sets : cases) {
        std::string query;
        std::string command = "run " + file() + " --json";
        for (const std::string& set : sets) {
            query += (query.empty() ? "?" : "&") + set;
            command += " --set " + set;
        }
        const Outcome expected = orrery_command(command);
        ASSERT_EQ(expected.status, 0) << command << expected.err;
        const Reply result = server_->get("/result.json" + query);
        EXPECT_EQ(result.status, 200) << query;
        EXPECT_EQ(result.json(), nlohmann::json::parse(expected.out)) << query;
        const Reply picture = server_->get("/simulate" + query);
        ASSERT_EQ(picture.status, 200) << query;
        EXPECT_EQ(picture.json()["data"]["result"], nlohmann::json::parse(expected.out)) << query;
        for (const std::string& set : sets)
            EXPECT_NE(picture.json()["command"].get<std::string>().find("--set " + set), std::string::npos);
        EXPECT_GT(picture.json()["wall_ms"].get<double>(), 0);
    }
}

TEST_F(LiveRequests, RefusesSettingsWithTheWordsOfTheCommandLine) {
    for (const std::string set : {"parallel.tp=3", "parallel.tp=none", "schedule.name=1f1c", "engine=replai",
                                  "training.global_batch=0", "cluster.nic_bandwidth=-1"}) {
        const Outcome expected = orrery_command("run " + file() + " --set " + set);
        ASSERT_EQ(expected.status, 2) << set;
        for (const char* target : {"/simulate?", "/result.json?"}) {
            const Reply reply = server_->get(target + set);
            EXPECT_EQ(reply.status, 400) << set;
            EXPECT_EQ("orrery: error: " + reply.json()["error"].get<std::string>() + "\n", expected.err);
        }
        const Reply page = server_->get("/?" + set);
        EXPECT_EQ(page.status, 400);
        EXPECT_NE(page.body.find("<!doctype html>"), std::string::npos);
    }
    EXPECT_EQ(server_->get("/simulate?parallel.tp=4").status, 200);
}

TEST_F(LiveRequests, TakesNoFileFromARequest) {
    for (const char* target :
         {"/simulate?model=gpt3-175b", "/simulate?calibration=/etc/passwd", "/simulate?base=/etc/passwd",
          "/simulate?schedule.name=../../../etc/passwd", "/simulate?schedule.name=%2Fetc%2Fpasswd",
          "/simulate?schedule=%7Bname:%20custom,%20file:%20/etc/passwd%7D", "/simulate?parallel.tp=%5B1,2%5D",
          "/simulate?engine=a%00b",
          "/simulate?engine=", "/simulate?training.global_batch=1e300000000000000000000000000"}) {
        const Reply reply = server_->get(target);
        EXPECT_EQ(reply.status, 400) << target;
        EXPECT_TRUE(reply.json().contains("error")) << target;
        EXPECT_EQ(reply.body.find("root:"), std::string::npos);
    }
    for (const char* target : {"/../../etc/passwd", "/..%2f..%2fetc/passwd", "/report.html", "/%2e%2e/", "//",
                               "/small.yaml", "/simulate/../../../etc/passwd"}) {
        EXPECT_EQ(server_->get(target).status, 404) << target;
    }
}

TEST_F(LiveRequests, RefusesWhatIsTooLarge) {
    EXPECT_EQ(server_->get("/simulate?a=" + std::string(20'000, 'a')).status, 414);
    const std::string body(100'000, 'x');
    const Reply posted =
        server_->request("POST /simulate", "Host: localhost\r\nContent-Length: 100000\r\n", body);
    EXPECT_EQ(posted.status, 413);
    std::string many = "/simulate?";
    for (int i = 0; i < 100; ++i) many += "parallel.tp=2&";
    EXPECT_EQ(server_->get(many + "pp=1").status, 400);
    const Reply work = server_->get("/simulate?training.global_batch=1000000");
    EXPECT_EQ(work.status, 400);
    EXPECT_NE(work.json()["error"].get<std::string>().find("million tasks"), std::string::npos) << work.body;
}

TEST_F(LiveRequests, AnswersOnlyUnderItsOwnName) {
    const auto status = [&](const std::string& target, const std::string& headers) {
        return server_->request("GET " + target, headers).status;
    };
    const std::string port = std::to_string(server_->port());
    for (const std::string& host :
         {"localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port, std::string("localhost")})
        EXPECT_EQ(status("/", "Host: " + host + "\r\n"), 200) << host;
    for (const std::string host :
         {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", ":1"})
        EXPECT_EQ(status("/", "Host: " + host + "\r\n"), 403) << host;
    EXPECT_EQ(status("/", ""), 403);
    EXPECT_EQ(status("/", "Host: localhost\r\nHost: evil.example\r\n"), 403);
    EXPECT_EQ(status("/simulate", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), 403);
    EXPECT_EQ(status("/simulate", "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n"), 200);
    EXPECT_EQ(status("/", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), 200);  // a link to it
    EXPECT_EQ(status("/", "Host: localhost\r\nRange: bytes=0-1,0-1\r\n"), 403);
}

TEST_F(LiveRequests, SurvivesGarbage) {
    std::mt19937 random(11);
    const std::string good =
        "GET /simulate?parallel.tp=4&parallel.pp=2 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    for (int round = 0; round < 300; ++round) {
        std::string bytes;
        if (round % 3 == 0) {  // anything
            bytes.resize(random() % 3000);
            for (char& c : bytes) c = static_cast<char>(random());
        } else {  // a request with holes
            bytes = good;
            for (unsigned i = 0; i < 1 + random() % 6; ++i) {
                const std::size_t at = random() % bytes.size();
                if (random() % 3 == 0)
                    bytes.erase(at, random() % 9);
                else if (random() % 2 == 0)
                    bytes.insert(at, random() % 40, static_cast<char>(random()));
                else
                    bytes[at] = static_cast<char>(random());
            }
        }
        static_cast<void>(server_->exchange(bytes, 200, round % 20 != 0));
    }
    std::string ranges = "bytes=";
    for (int i = 0; i < 1500; ++i) ranges += "1-1,";
    for (const std::string& header :
         {"Range: " + ranges, "X: " + std::string(100'000, 'a'),
          std::string("Content-Length: 99999999999999999999"), std::string("Transfer-Encoding: chunked"),
          std::string("Accept-Encoding: gzip")})
        static_cast<void>(
            server_->exchange("GET / HTTP/1.1\r\nHost: localhost\r\n" + header + "\r\n\r\nfffffff\r\n", 500));
    EXPECT_EQ(server_->get("/simulate?parallel.tp=4").status, 200);
}

TEST_F(LiveRequests, AnswersManyAtOnceAsItAnswersOne) {
    const nlohmann::json two = server_->get("/result.json?parallel.tp=2").json();
    const nlohmann::json four = server_->get("/result.json?parallel.tp=4").json();
    std::vector<std::thread> clients;
    std::atomic<int> right{0};
    for (int i = 0; i < 16; ++i) {
        clients.emplace_back([&, i] {
            const Reply reply =
                server_->get(i % 2 == 0 ? "/result.json?parallel.tp=2" : "/result.json?parallel.tp=4");
            right += reply.status == 200 && reply.json() == (i % 2 == 0 ? two : four) ? 1 : 0;
        });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(right, 16);
}

TEST_F(LiveRequests, EndsCleanlyOnCtrlC) {
    for (const int signal : {SIGINT, SIGTERM}) {
        LiveProcess own({file()});
        ASSERT_GT(own.port(), 0);
        EXPECT_EQ(own.get("/simulate").status, 200);
        const int status = own.end(signal);
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 0);
    }
}

TEST_F(LiveRequests, TakesAPointOfAStudyAndSaysWhichAddressIsTaken) {
    folder_->write("study.yaml", std::string(kExperiment) + "vary: {parallel.tp: [3, 2, 4]}\n");
    LiveProcess study({folder_->path("study.yaml")});
    const auto answer = study.get("/simulate?training.global_batch=128").json();
    const std::string command = answer["command"].get<std::string>();
    EXPECT_NE(command.find("--point 1 --set training.global_batch=128"), std::string::npos) << command;
    const Outcome same = orrery_command(command.substr(7) + " --json");
    ASSERT_EQ(same.status, 0) << same.err;
    EXPECT_EQ(answer["data"]["result"], nlohmann::json::parse(same.out));

    const Outcome taken = orrery_command("serve " + file() + " --port " + std::to_string(server_->port()));
    EXPECT_EQ(taken.status, 2);
    EXPECT_NE(taken.err.find("--port 0"), std::string::npos) << taken.err;
    EXPECT_EQ(orrery_command("serve no-such-experiment").status, 2);
}

}  // namespace
}  // namespace orrery
