// schedules/mpress.hpp
//
// MPress (Zhou et al. 2023, "MPress: Democratizing Billion-Scale Model Training on Multi-GPU Servers via
// Memory-Saving Inter-Operator Parallelism"): under 1F1B the first stages overflow while the last have room.
// For every layer of a stage that overflows: keep its activations, move them over NVLink to a device with
// room, move them to the host, or compute them again, so that the stage fits and its pace suffers least.
// Transfers run beside the computation, so a micro-batch takes the longest of its computation (with what is
// recomputed), its traffic to the peer and its traffic to the host.
//
// The paper assigns devices with room by a mapping over the links; here stages s and p-1-s are paired, whose
// activations in flight add up to p+1 whatever s.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "schedules/layer_costs.hpp"

namespace orrery::schedules {

struct MPressProblem {
    std::vector<LayerCost> layers;
    std::vector<int> first_layer;  ///< of each stage; the cut is given
    int micro_batches = 1;
    double communication = 0;  ///< s, one micro-batch between neighbouring stages
    double memory_limit = 0;   ///< bytes on every device
    double peer_rate = 0;      ///< bytes/s each way to the paired device; 0: there is no such link
    double host_rate = 0;      ///< bytes/s each way to the host; 0: no swapping to it
};

/// The plan. A stage's `backward` is lengthened by what is recomputed and by the traffic that computation
/// does not hide. Choices that move bytes where there is no link are not taken. Throws InputError:
/// "memory-limit" when a stage fits in no way, "microbatches" for fewer than stages.
PartitionPlan mpress_search(const MPressProblem& problem);

}  // namespace orrery::schedules
