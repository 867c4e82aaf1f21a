// In a build without cpp-httplib (cmake/rooms.cmake chooses between this file and live_server.cpp).
#include "cli/live_server.hpp"
#include "core/error.hpp"

namespace orrery::cli {

void serve(const LiveSession&, const LiveServerOptions&) {
    throw MissingCapability(
        "orrery serve needs cpp-httplib, which this build lacks: install libcpp-httplib-dev and build again");
}

}  // namespace orrery::cli
