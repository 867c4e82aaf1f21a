// profiler/kernels/cuda/nccl_collective.hpp
//
// The collectives that NCCL has a call for, on fp32, issued for one member: shared by the microbenchmarks and
// the executor, which differ in what they make of sends and receives.
#pragma once

#include <cstddef>

#include "profiler/kernels/cuda/check_nccl.hpp"
#include "sim/program.hpp"

namespace orrery::profiler::cuda {

/// One member's side of an operation.
struct NcclSide {
    ncclComm_t communicator;
    cudaStream_t stream;
    const float* send;
    float* receive;
};

/// `whole` elements in the full buffer, `share` of each member; the first member is the root. False, and
/// nothing issued, for kinds that NCCL has no call for.
inline bool issue_nccl_collective(sim::CollectiveKind kind, const NcclSide& side, std::size_t whole,
                                  std::size_t share) {
    const auto& [communicator, stream, send, receive] = side;
    switch (kind) {
        case sim::CollectiveKind::all_reduce:
            ORRERY_NCCL(ncclAllReduce(send, receive, whole, ncclFloat, ncclSum, communicator, stream));
            return true;
        case sim::CollectiveKind::all_gather:
            ORRERY_NCCL(ncclAllGather(send, receive, share, ncclFloat, communicator, stream));
            return true;
        case sim::CollectiveKind::reduce_scatter:
            ORRERY_NCCL(ncclReduceScatter(send, receive, share, ncclFloat, ncclSum, communicator, stream));
            return true;
        case sim::CollectiveKind::broadcast:
            ORRERY_NCCL(ncclBroadcast(send, receive, whole, ncclFloat, 0, communicator, stream));
            return true;
        case sim::CollectiveKind::reduce:
            ORRERY_NCCL(ncclReduce(send, receive, whole, ncclFloat, ncclSum, 0, communicator, stream));
            return true;
        default:
            return false;
    }
}

}  // namespace orrery::profiler::cuda
