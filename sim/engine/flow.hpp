// sim/engine/flow.hpp
//
// The engine that shares links. Kernels take their cost; every collective, send and copy is one fluid load on
// the links of its algorithm (flow_loads.hpp), all loads under way share the links max-min fairly
// (flow_shares.hpp). The rules are those of engine.hpp with one change: a rendezvous that begins at
//     b = max(start, last issue_to_end of a member - duration_s)
// first takes the fixed part of its duration, then moves its bytes at the speed that the links leave it.
// Alone it ends when `replay` ends it.
//
// How. As in replay.cpp every stream is a cursor that runs as far as it can, so that kernels cost no event:
// what they delay is a rendezvous, whose start is known once its members' cursors have come to it, never
// earlier than the event being handled. The queue holds what depends on other loads: when a load begins to
// move its bytes, and when it ends. Kernels enter the queue only on a rank where a collective that slows them
// may begin before they end (contention.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/cost/work_cost.hpp"
#include "sim/engine/contention.hpp"
#include "sim/engine/disturbance.hpp"
#include "sim/engine/flow_loads.hpp"
#include "sim/engine/flow_usage.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::sim {

/// How the transfers of one kind of stream share links with others.
struct StreamShare {
    double weight = 1;  ///< > 0
    int priority = 0;   ///< higher ones are served first
};
inline constexpr std::size_t kStreamKinds = static_cast<std::size_t>(StreamKind::copy_out) + 1;

struct FlowOptions {
    ComputeSlowdown slowdown = uniform_slowdown(1);
    std::array<StreamShare, kStreamKinds> shares{};  ///< [stream kind]; of a send the sender's
    Disturbances disturbances;
    /// Where the use of links goes; null: nowhere.
    FlowUsage* usage = nullptr;
};

/// Runs the program. `costs` and `loads` must be of the same program. Throws SimulationError when it cannot
/// proceed: a deadlock with the cycle that `replay` names, or a cut link or failed device with the ranks and
/// tasks that wait for it.
Timeline simulate_with_flow(const Program& program, const WorkCosts& costs, const FlowLoads& loads,
                            const FlowOptions& options = {});

}  // namespace orrery::sim
