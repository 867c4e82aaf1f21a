// sim/engine/engine.hpp
//
// The contract of an engine: a program and the price of its works in, the timeline out.
//
// All engines obey the rules in sim/program.hpp. Semantics of the host: each rank has one host thread that
// issues the rank's tasks in order. It begins to issue task i at h_i = h_{i-1} + launch_s(i-1), or, if task
// i-1 has kHostWaits, at max(h_{i-1} + launch_s(i-1), end(i-1)). A task that starts at s = max(stream free,
// dependencies' ends, h_i, arrival of all members) ends at max(s + duration_s, h_i + issue_to_end_s) (of a
// rendezvous: the maximum over members of the latter).
//
// Throws SimulationError, naming the cycle's ranks and tasks, when the program cannot proceed.
#pragma once

#include <span>

#include "sim/cost/forced_collectives.hpp"
#include "sim/cost/work_cost.hpp"
#include "sim/engine/contention.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// One pass in dependency order; no event queue. O(tasks + dependencies), no allocation per task.
Timeline replay(const Program& program, const WorkCosts& costs);

/// The same with `stretch[task]` seconds (by global task; empty: none) added to what each task lasts. Must be
/// 0 for the operations of communicators, which end for all members at once.
Timeline replay(const Program& program, const WorkCosts& costs, std::span<const double> stretch);

/// Replay with contention on each GPU: while one of a rank's collectives (of two or more GPUs, on any stream
/// but tp) runs, its kernels progress at 1/`slowdown` of their speed, because the collective's kernels hold
/// multiprocessors and memory bandwidth. How long each kernel lasts follows from what it meets, and that from
/// the timeline: a fixed point, reached by replaying until the step time has twice moved by at most 1e-6 of
/// itself (at most 16 times). `slowdown` 1: plain replay.
Timeline replay_with_contention(const Program& program, const WorkCosts& costs, double slowdown);

/// The same with a slowdown for each kind of collective (the largest of those that run at once), and
/// `added[task]` seconds (as `stretch` of replay; empty: none) on top of what contention makes of the tasks.
Timeline replay_with_contention(const Program& program, const WorkCosts& costs,
                                const ComputeSlowdown& slowdown, std::span<const double> added);

/// The same program on SimGrid 3.32 (S4U): kernels and copies take their cost, but collectives are carried
/// out as the messages of sim/engine/collective_steps/ (see simgrid_plan.hpp for which) over the links of
/// sim/engine/network.hpp, which share them max-min fairly; the `duration_s` of a collective is not used,
/// only what its `issue_to_end_s` says of the launch. See simgrid.cpp for the parameters. The program must
/// not be folded: ExperimentError when a collective's group has devices that are not simulated.
/// MissingCapability when Orrery was built without SimGrid. SimGrid's engine exists once per process; each
/// call runs it in a process of its own, so calls may be repeated.
Timeline simulate_with_simgrid(const Program& program, const WorkCosts& costs,
                               const topologies::Cluster& cluster, const ForcedCollectives& forced = {});

}  // namespace orrery::sim
