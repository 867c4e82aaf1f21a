// cli/live_server.hpp
//
// The HTTP side of `orrery serve` (cpp-httplib).
//
//     GET /?KEY=VALUE&...             the page
//     GET /simulate?KEY=VALUE&...     what changes of it, as JSON
//     GET /result.json?KEY=VALUE&...  the result, as `orrery run --json` prints it
//
// Settings that cannot be are 400 with {"error": MESSAGE}, the message of the command line. No file is
// served. A request must come for an IP address, localhost or the host that was bound (against DNS
// rebinding), and not from another site's page.
#pragma once

#include <functional>
#include <string>

#include "cli/live_session.hpp"

namespace orrery::cli {

struct LiveServerOptions {
    std::string host = "127.0.0.1";
    int port = 0;  ///< 0: any that is free
    /// Called when connections are accepted, with the port.
    std::function<void(int)> ready;
};

/// Serves until SIGINT or SIGTERM. Throws MissingCapability where cpp-httplib was missing at build time;
/// InputError when the address cannot be bound.
void serve(const LiveSession& session, const LiveServerOptions& options);

}  // namespace orrery::cli
