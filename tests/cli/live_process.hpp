// tests/cli/live_process.hpp
//
// `orrery serve` on a free port, and bytes sent to it.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace orrery {

struct Reply {
    int status = 0;  ///< 0: none came
    std::string head;
    std::string body;

    [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

class LiveProcess {
  public:
    explicit LiveProcess(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {ORRERY_BINARY, "serve"});
        arguments.insert(arguments.end(), {"--port", "0"});
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        child_ = ::fork();
        if (child_ == 0) {
            std::vector<char*> argv;
            argv.reserve(arguments.size() + 1);
            for (std::string& argument : arguments) argv.push_back(argument.data());
            argv.push_back(nullptr);
            ::dup2(ends[1], STDOUT_FILENO);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(ends[1]);
        out_ = ends[0];
        std::string said;
        char c = 0;
        while (said.find("ends it") == std::string::npos && ::read(out_, &c, 1) == 1) said += c;
        const std::size_t at = said.find("127.0.0.1:");
        if (at != std::string::npos) port_ = std::stoi(said.substr(at + 10));
    }
    ~LiveProcess() {
        if (child_ > 0) end(SIGKILL);
        if (out_ >= 0) ::close(out_);
    }
    LiveProcess(const LiveProcess&) = delete;
    LiveProcess& operator=(const LiveProcess&) = delete;

    [[nodiscard]] int port() const { return port_; }

    /// Sends the signal and waits; the status of waitpid.
    int end(int signal) {
        ::kill(child_, signal);
        int status = -1;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return status;
    }

    /// Sends the bytes, then reads until the other side closes or is silent for a while.
    [[nodiscard]] std::string exchange(const std::string& bytes, int patience_ms = 20'000,
                                       bool half_close = false) const {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::string answer;
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            for (std::size_t sent = 0; sent < bytes.size();) {
                const ssize_t n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
                if (n <= 0) break;
                sent += static_cast<std::size_t>(n);
            }
            if (half_close) ::shutdown(socket, SHUT_WR);  // no more bytes will come
            std::vector<char> piece(65536);
            pollfd waiting{socket, POLLIN, 0};
            while (::poll(&waiting, 1, patience_ms) > 0) {
                const ssize_t n = ::recv(socket, piece.data(), piece.size(), 0);
                if (n <= 0) break;
                answer.append(piece.data(), static_cast<std::size_t>(n));
            }
        }
        ::close(socket);
        return answer;
    }

    [[nodiscard]] Reply request(const std::string& first_line,
                                const std::string& headers = "Host: localhost\r\n",
                                const std::string& body = "") const {
        const std::string text =
            exchange(first_line + " HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n" + body);
        Reply reply;
        if (!text.starts_with("HTTP/1.1 ")) return reply;
        reply.status = std::stoi(text.substr(9, 3));
        const std::size_t gap = text.find("\r\n\r\n");
        reply.head = text.substr(0, gap);
        if (gap != std::string::npos) reply.body = text.substr(gap + 4);
        return reply;
    }
    [[nodiscard]] Reply get(const std::string& target) const { return request("GET " + target); }

  private:
    pid_t child_ = -1;
    int out_ = -1;
    int port_ = 0;
};

}  // namespace orrery
