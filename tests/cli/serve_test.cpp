// `orrery serve` as a browser and as an attacker meet it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "command_line.hpp"

namespace orrery {
namespace {

/// A running `orrery serve quickstart` on a port of its own.
class Served {
  public:
    Served() {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) return;
        child_ = ::fork();
        if (child_ == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            ::dup2(ends[1], STDERR_FILENO);
            ::close(ends[0]);
            ::execl(ORRERY_BINARY, ORRERY_BINARY, "serve", "quickstart", "--port", "0", nullptr);
            ::_exit(127);
        }
        ::close(ends[1]);
        std::FILE* output = ::fdopen(ends[0], "r");
        std::array<char, 512> line{};
        while (port_ == 0 && std::fgets(line.data(), line.size(), output) != nullptr) {
            text_ += line.data();
            const std::string mark = "http://127.0.0.1:";
            if (const std::size_t at = text_.find(mark); at != std::string::npos)
                port_ = std::atoi(text_.c_str() + at + mark.size());
        }
        output_ = output;
    }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;
    ~Served() {
        if (child_ > 0) (void)end();
        if (output_ != nullptr) (void)std::fclose(output_);
    }

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] const std::string& text() const { return text_; }

    /// Its exit status after Ctrl-C; -1 where it did not exit by itself.
    int end() {
        ::kill(child_, SIGINT);
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    /// All that comes back for these bytes, or nothing where nobody waits for it.
    std::string answer(const std::string& bytes, bool wait = true) const {
        const int to = ::socket(AF_INET, SOCK_STREAM, 0);
        timeval patience{20, 0};
        ::setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::string text;
        if (::connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            (void)::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            std::array<char, 65536> buffer{};
            for (ssize_t got = 0; wait && (got = ::recv(to, buffer.data(), buffer.size(), 0)) > 0;)
                text.append(buffer.data(), static_cast<std::size_t>(got));
        }
        ::close(to);
        return text;
    }

    /// "200" and the body of a page.
    [[nodiscard]] std::pair<std::string, std::string> get(const std::string& path,
                                                          const std::string& host = "localhost") const {
        const std::string all =
            answer("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
        const std::size_t body = all.find("\r\n\r\n");
        if (all.size() < 12 || body == std::string::npos) return {"", ""};
        return {all.substr(9, 3), all.substr(body + 4)};
    }

  private:
    pid_t child_ = -1;
    int port_ = 0;
    std::string text_;
    std::FILE* output_ = nullptr;
};

class ServeCommand : public testing::Test {
  protected:
    void SetUp() override {
        if (orrery_command("serve --set parallel.tp=0").status == 3) GTEST_SKIP() << "built without httplib";
    }
};

TEST_F(ServeCommand, GivesTheResultOfRunWithTheSameSettings) {
    Served served;
    ASSERT_GT(served.port(), 0) << served.text();
    const auto [status, page] = served.get("/");
    EXPECT_EQ(status, "200");
    EXPECT_NE(page.find("</html>"), std::string::npos);
    for (const std::string set : {"", "training.recompute=full", "training.global_batch=256"}) {
        const auto [code, text] = served.get("/result.json" + (set.empty() ? "" : "?" + set));
        ASSERT_EQ(code, "200") << text;
        const Outcome run = orrery_command("run quickstart --json" + (set.empty() ? "" : " --set " + set));
        ASSERT_EQ(run.status, 0) << run.err;
        const auto live = nlohmann::json::parse(text);
        const auto ran = nlohmann::json::parse(run.out);
        for (const char* key : {"step_time_s", "mfu", "bubble_ratio", "tokens_per_s"})
            EXPECT_EQ(live[key], ran[key]) << key << ' ' << set;
    }
    EXPECT_EQ(served.end(), 0);
}

TEST_F(ServeCommand, SaysWhatIsWrongWithASetting) {
    const Served served;
    ASSERT_GT(served.port(), 0) << served.text();
    const auto [status, text] = served.get("/simulate?parallel.tp=5");
    EXPECT_EQ(status, "400");
    EXPECT_NE(nlohmann::json::parse(text)["error"].get<std::string>().find("does not divide"),
              std::string::npos);
    EXPECT_EQ(served.get("/simulate?base=/etc/passwd").first, "400");
    EXPECT_EQ(served.get("/").first, "200");
}

TEST_F(ServeCommand, RefusesOtherSitesOtherPathsAndGarbage) {
    const Served served;
    ASSERT_GT(served.port(), 0) << served.text();
    EXPECT_EQ(served.get("/", "evil.example").first, "403");
    for (const char* path :
         {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/configs/quickstart.yaml", "//etc/passwd"})
        EXPECT_EQ(served.get(path).first, "404") << path;
    const std::string large(1 << 20, 'x');
    const std::string answer = served.answer(
        "POST /simulate HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(large.size()) +
        "\r\n\r\n" + large);
    EXPECT_EQ(answer.find(" 200 "), std::string::npos);
    std::mt19937 random(3);
    for (int trial = 0; trial < 40; ++trial) {
        std::string bytes = trial % 2 == 0 ? "GET /simulate?" : "";
        for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random() % 256);
        (void)served.answer(bytes + "\r\n\r\n", false);
    }
    EXPECT_EQ(served.get("/simulate").first, "200");
}

}  // namespace
}  // namespace orrery
