// Stands in for simgrid.cpp where SimGrid was not found at build time.
#ifndef ORRERY_HAVE_SIMGRID

#include "core/error.hpp"
#include "sim/engine/engine.hpp"

namespace orrery::sim {

Timeline simulate_with_simgrid(const Program& /*program*/, const WorkCosts& /*costs*/,
                               const topologies::Cluster& /*cluster*/, const ForcedCollectives& /*forced*/) {
    throw MissingCapability(
        "this orrery was built without SimGrid: install libsimgrid-dev and build again, or use the engine "
        "replay");
}

}  // namespace orrery::sim

#endif
