// profiler/communication/collective_sweep.hpp
//
// Sweeps collectives over kinds, group shapes and sizes, and writes them in the layout of nccl-tests
// (github.com/NVIDIA/nccl-tests, doc/PERFORMANCE.md), so that what reads its output reads ours. Who moves the
// bytes is behind one interface: MPI between processes, NCCL between GPUs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/program.hpp"

namespace orrery::profiler {

/// Ranks 0, stride, 2 stride, ... of the job: `size` of them.
struct GroupShape {
    int size = 2;
    int stride = 1;
    bool operator==(const GroupShape&) const = default;
};

/// The ranks of a running job, as one of them sees it. All ranks make the same calls in the same order.
class CollectiveRunner {
  public:
    CollectiveRunner() = default;
    virtual ~CollectiveRunner() = default;
    CollectiveRunner(const CollectiveRunner&) = delete;
    CollectiveRunner& operator=(const CollectiveRunner&) = delete;

    /// Of all processes; the first one writes.
    [[nodiscard]] virtual bool first() const = 0;
    /// That take part: processes, or GPUs.
    [[nodiscard]] virtual int ranks() const = 0;
    /// "MPI: Open MPI v4.1.4", "NCCL 2.28.9".
    [[nodiscard]] virtual std::string library() const = 0;
    /// A line a rank: "Rank  0 on host-a".
    [[nodiscard]] virtual std::vector<std::string> describe_ranks() const = 0;
    /// Makes the group that the following calls use.
    virtual void use_group(const GroupShape& shape) = 0;
    /// Seconds of one operation: the mean over `iterations`, of the slowest rank, after `warm_up` more.
    /// `bytes` as sim::Collective has them. The same on every rank.
    virtual double time(sim::CollectiveKind kind, std::size_t bytes, int warm_up, int iterations) = 0;
};

struct SweepOptions {
    std::vector<sim::CollectiveKind> kinds = {
        sim::CollectiveKind::all_reduce, sim::CollectiveKind::all_gather, sim::CollectiveKind::reduce_scatter,
        sim::CollectiveKind::broadcast,  sim::CollectiveKind::all_to_all, sim::CollectiveKind::send_recv};
    std::size_t least_bytes = 8;
    std::size_t most_bytes = std::size_t{8} << 30;
    int warm_up = 5;
    int iterations = 20;
    double most_seconds_a_row = 2;  ///< fewer iterations where one takes long
};

/// Group shapes of a job: sizes 2, 4, ... and all ranks, neighbours; and pairs and halves as far apart as
/// they fit.
std::vector<GroupShape> group_shapes(int ranks);

/// The share of the algorithm's bandwidth (bytes / time) that crosses a link: PERFORMANCE.md.
double bus_factor(sim::CollectiveKind kind, int ranks);

/// Runs the sweep; `write` gets the text as it grows, on the first rank only.
void sweep_collectives(CollectiveRunner& runner, const SweepOptions& options,
                       const std::function<void(const std::string&)>& write);

/// Processes of an MPI job (mpirun, srun). Throws MissingCapability where this build has no MPI, and
/// ExperimentError for a job of one.
std::unique_ptr<CollectiveRunner> make_mpi_runner();

/// The GPUs of this process, or one GPU each of an MPI job's processes. Throws MissingCapability without
/// CUDA, NCCL or a GPU, and ExperimentError where only one GPU takes part.
std::unique_ptr<CollectiveRunner> make_nccl_runner();

}  // namespace orrery::profiler
