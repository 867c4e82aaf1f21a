// orrery serve [CONFIG]: the page of one experiment, live.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/live_server.hpp"
#include "cli/live_session.hpp"

namespace orrery::cli {
namespace {

struct Options {
    std::string config = "quickstart";
    std::vector<std::string> set;
    std::optional<std::uint64_t> point;
    std::string host = "127.0.0.1";
    int port = 8470;
};

int serve_experiment(const Options& options) {
    const LiveSession session(options.config, options.set, options.point);
    LiveServerOptions how;
    how.host = options.host;
    how.port = options.port;
    how.ready = [&](int port) {
        const bool v6 = options.host.find(':') != std::string::npos;
        fmt::print("{}: http://{}{}{}:{}/\nCtrl-C ends it.\n", session.name(), v6 ? "[" : "", options.host,
                   v6 ? "]" : "", port);
        std::fflush(stdout);
    };
    serve(session, how);
    return kDone;
}

}  // namespace

Command add_serve(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "serve", "Show one experiment in the browser, live: change a setting and the pictures follow");
    command
        ->add_option(
            "config", options->config,
            "Experiment: a YAML file, or a name in configs; of a study its first legal point (default: "
            "quickstart)")
        ->type_name("CONFIG|STUDY");
    command->add_option("--set", options->set, "Change a key of the experiment: parallel.tp=4 (repeatable)")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option("--point", options->point, "CONFIG is a study: its point of that number")
        ->type_name("N");
    command
        ->add_option("--host", options->host,
                     "Address to listen on (default: 127.0.0.1, this machine only); there is no password")
        ->type_name("ADDRESS");
    command->add_option("--port", options->port, "Port (default: 8470; 0: any that is free)")
        ->type_name("N")
        ->check(CLI::Range(0, 65535));
    return {command, [options] { return serve_experiment(*options); }};
}

}  // namespace orrery::cli
