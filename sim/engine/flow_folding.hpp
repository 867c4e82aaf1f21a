// sim/engine/flow_folding.hpp
//
// A folded program simulates one rank of each set that does the same work. The ranks left out load the links
// too. Their loads can be told from the representative's when the whole program and the network are so
// symmetric that all of a set must always be equally fast; that is proved here, or the program is not folded.
//
// The proof. Colour every rank by its rank program, every communicator by its members' colours, every load by
// what it is, every link by its capacity. Refine: loads by the colours of their links with the bytes on each,
// links by the colours of their loads with their bytes, until nothing divides any more. Where all loads that
// stand for one folded load still have one colour, the partition is equitable (Weisfeiler and Leman 1968;
// Godsil 1997, "Compact graphs and equitable partitions"): each load of a class meets links of the same
// classes, and each link of a class carries as much of each class of loads. Max-min shares depend on nothing
// else, so loads of a class have equal speeds whatever set of classes is under way, and ranks of a class that
// were equal before an event are equal after it. One link of each class then stands for all: its use is the
// sum over all loads on it.
#pragma once

#include <optional>
#include <string>

#include "sim/engine/flow_loads.hpp"

namespace orrery::sim {

struct FoldedLoads {
    std::optional<FlowLoads> loads;  ///< of the folded program
    std::string why_not;             ///< if there are none: what is not symmetric
};

/// `folded` and `whole` are the same plan, folded and not: the same works and rank programs, each rank
/// program run by one folded rank that stands for all of the whole's. `transfers` are of either. Throws as
/// `flow_loads` does.
FoldedLoads folded_flow_loads(const Program& folded, const Program& whole, const TransferCosts& transfers,
                              const Network& network, const topologies::Cluster& cluster);

}  // namespace orrery::sim
