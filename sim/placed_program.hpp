// sim/placed_program.hpp
//
// A program on a cluster of several kinds of nodes. `lower` knows of no cluster: all ranks of a pipeline
// device share a rank program, and a collective carries one group that stands for all like it. Where nodes
// differ, ranks of one rank program may run on different GPUs, and groups of one shape over different links.
// Here every rank gets a rank program whose kernels and copies name their node's kind, and whose collectives
// name the very group they run on; ranks that then do the same, beside the same, share one again.
//
// Which ranks those are is found by colour refinement (Weisfeiler and Leman 1968). A rank's colour is its
// rank program and the kind of its node; a communicator's is where its members lie, as far as prices depend
// on it, and their colours; ranks are divided by the colours of their communicators until nothing divides any
// more. Ranks of one colour then meet, operation by operation, communicators whose members are equally late
// and whose prices are equal, so they are equally late themselves: one stands for all.
#pragma once

#include "sim/program.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// `whole` simulates every rank of `cluster`, each with multiplicity 1. With `fold` one rank of each colour
/// is simulated, and stands for the others; works and rank programs are the same either way, and each rank
/// program is that of one colour. Throws SimulationError when a device is not of the cluster.
Program placed_program(const Program& whole, const topologies::Cluster& cluster, bool fold);

}  // namespace orrery::sim
