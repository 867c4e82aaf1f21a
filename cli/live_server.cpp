#include "cli/live_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <httplib.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <memory>
#include <thread>

#include "cli/exit_status.hpp"
#include "cli/one_at_a_time.hpp"
#include "core/error.hpp"
#include "report/json.hpp"

namespace orrery::cli {
namespace {

constexpr std::size_t kThreads = 8;
constexpr std::size_t kMostBody = 4096;  ///< bytes; no request needs one
constexpr std::size_t kMostSettings = 32;
constexpr int kPatience = 5;  ///< seconds for a client's bytes
constexpr std::chrono::seconds kTurn{10};
constexpr std::chrono::seconds kLimit{30};

constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kBusy = 503;

/// The name in "name:port" or "[address]:port".
std::string name_in(const std::string& host) {
    if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
    return host.substr(0, host.find(':'));
}

bool is_address(const std::string& name) {
    in6_addr buffer{};
    return inet_pton(AF_INET, name.c_str(), &buffer) == 1 || inet_pton(AF_INET6, name.c_str(), &buffer) == 1;
}

/// A page of another site can make a browser send requests here, under that site's name (DNS rebinding) or as
/// a picture's address. Only a name can be rebound.
bool is_ours(const httplib::Request& request, const std::string& bound) {
    if (request.get_header_value_count("Host") != 1) return false;
    if (request.has_header("Range")) return false;  // a thousand ranges of one page are a long answer
    const std::string name = name_in(request.get_header_value("Host"));
    if (!is_address(name) && name != "localhost" && name != bound) return false;
    const std::string site = request.get_header_value("Sec-Fetch-Site");
    const bool plain_link = request.path == "/" && request.params.empty();
    return site.empty() || site == "same-origin" || site == "none" || plain_link;
}

LiveSettings settings_of(const httplib::Request& request) {
    if (request.params.size() > kMostSettings) throw InputError({}, "", "too many settings");
    LiveSettings settings;
    for (const auto& [key, value] : request.params) settings.emplace_back(key, value);
    return settings;
}

void send_json(httplib::Response& response, int status, const report::Json& json) {
    response.status = status;
    response.set_content(json.dump(-1, ' ', false, report::Json::error_handler_t::replace),
                         "application/json");
}

struct Answer {
    int status = 200;
    std::string error;
    std::shared_ptr<const report::LiveRun> run;
};

class LiveServer {
  public:
    LiveServer(const LiveSession& session, const LiveServerOptions& options)
        : session_(std::make_shared<const LiveSession>(session)), options_(options) {
        limit();
        route();
    }

    /// Until stop().
    void listen() {
        const bool any = options_.port == 0;
        const int port = any ? server_.bind_to_any_port(options_.host)
                             : (server_.bind_to_port(options_.host, options_.port) ? options_.port : -1);
        if (port <= 0) {
            throw InputError(
                {}, any ? "--host" : "--port",
                fmt::format("cannot listen on {}:{}: in use, not permitted or no address of this "
                            "machine; --port 0 takes any free port",
                            options_.host, options_.port));
        }
        if (options_.ready) options_.ready(port);
        server_.listen_after_bind();
    }
    void stop() { server_.stop(); }
    /// Whether a simulation that nobody waits for any more is still running.
    [[nodiscard]] bool busy() const { return turns_.busy(); }

  private:
    void limit() {
        server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
        server_.set_payload_max_length(kMostBody);
        server_.set_read_timeout(kPatience);
        server_.set_write_timeout(kPatience);
        server_.set_keep_alive_timeout(1);
        // Not shared with another process: that a port is taken is to be noticed.
        server_.set_socket_options([](socket_t socket) {
            const int yes = 1;
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        });
        server_.set_default_headers({{"X-Content-Type-Options", "nosniff"},
                                     {"X-Frame-Options", "DENY"},
                                     {"Referrer-Policy", "no-referrer"},
                                     {"Cross-Origin-Resource-Policy", "same-origin"},
                                     {"Cache-Control", "no-store"}});
    }

    void route() {
        using httplib::Request;
        using httplib::Response;
        server_.set_pre_routing_handler([this](const Request& request, Response& response) {
            if (is_ours(request, options_.host)) return httplib::Server::HandlerResponse::Unhandled;
            send_json(response, kForbidden, {{"error", "this address is not served under that name"}});
            return httplib::Server::HandlerResponse::Handled;
        });
        server_.Get("/", [this](const Request& request, Response& response) { page(request, response); });
        server_.Get("/simulate", [this](const Request& request, Response& response) {
            const Answer answer = answer_to(request);
            if (answer.run)
                send_json(response, answer.status, report::live_json(*answer.run));
            else
                send_json(response, answer.status, {{"error", answer.error}});
        });
        server_.Get("/result.json", [this](const Request& request, Response& response) {
            const Answer answer = answer_to(request);
            if (answer.run)
                send_json(response, answer.status, report::to_json(answer.run->result));
            else
                send_json(response, answer.status, {{"error", answer.error}});
        });
        server_.set_error_handler([](const Request&, Response& response) {
            if (!response.body.empty()) return;
            send_json(response, response.status,
                      {{"error", response.status == kNotFound ? "there is no such page" : "refused"}});
        });
        server_.set_exception_handler([](const Request&, Response& response, const std::exception_ptr&) {
            send_json(response, 500, {{"error", "this is a defect of Orrery, please report it"}});
        });
    }

    /// The page with the settings asked for; where they cannot be, with the file's own and the reason.
    void page(const httplib::Request& request, httplib::Response& response) {
        const Answer answer = answer_to(request);
        response.status = answer.status;
        LiveSettings settings;
        for (const auto& [key, value] : request.params) settings.emplace_back(key, value);
        if (!answer.run) {
            const Answer base = answer_to({});
            if (!base.run) return send_json(response, base.status, {{"error", base.error}});
            response.set_content(report::live_page(session_->controls(settings), *base.run, answer.error),
                                 "text/html; charset=utf-8");
            return;
        }
        response.set_content(report::live_page(session_->controls(settings), *answer.run, ""),
                             "text/html; charset=utf-8");
    }

    /// Simulates when the ones before are done.
    Answer answer_to(const httplib::Request& request) {
        try {
            const LiveSettings settings = settings_of(request);
            const auto run = turns_.run<report::LiveRun>(
                [session = session_, settings] { return session->run(settings); }, kTurn, kLimit);
            if (run) return {200, "", run};
            return {kBusy,
                    "the simulation takes longer than a page waits for; smaller settings, or orrery run",
                    nullptr};
        } catch (const InputError& error) {
            return {kBadRequest, error.what(), nullptr};
        } catch (const ExperimentError& error) {
            return {kBadRequest, error.what(), nullptr};
        } catch (const SimulationError& error) {
            return {kBadRequest, error.what(), nullptr};
        } catch (const MissingCapability& error) {
            return {kBadRequest, error.what(), nullptr};
        } catch (const std::bad_alloc&) {
            return {kBadRequest, "out of memory: fewer micro-batches, or a coarser granularity", nullptr};
        }
    }

    std::shared_ptr<const LiveSession> session_;
    LiveServerOptions options_;
    OneAtATime turns_;
    httplib::Server server_;
};

}  // namespace

void serve(const LiveSession& session, const LiveServerOptions& options) {
    // Every thread started from here on leaves both signals to the one that waits for them.
    sigset_t signals;
    sigset_t before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    LiveServer server(session, options);
    std::thread waiting([&] {
        int signal = 0;
        sigwait(&signals, &signal);
        server.stop();
    });
    std::exception_ptr failed;
    try {
        server.listen();
    } catch (...) {
        failed = std::current_exception();
    }
    pthread_kill(waiting.native_handle(), SIGINT);
    waiting.join();
    if (server.busy()) {  // a simulation that cannot be interrupted: nothing it does is kept
        std::fflush(nullptr);
        std::_Exit(kDone);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed) std::rethrow_exception(failed);
}

}  // namespace orrery::cli
