// parallel/rank_context.hpp
//
// What the parts of `lower` share while they build one pipeline device's rank program.
#pragma once

#include <string>
#include <vector>

#include "parallel/lower.hpp"
#include "parallel/program_builder.hpp"
#include "parallel/tensor/megatron.hpp"

namespace orrery::parallel {

struct RankContext {
    const models::Model& model;
    const Plan& plan;
    const models::Software& software;
    const LowerOptions& options;
    Interner& interner;
    RankBuilder& rank;
    int device = 0;          ///< pipeline device
    std::vector<int> nodes;  ///< model nodes this device holds, in chain order
    models::LocalShape shape;

    sim::TaskId last_compute;  ///< last task on the compute stream, or none

    /// Parameters of a node on this rank of its tensor-parallel group; a tied output projection counts only
    /// where the embedding is on another device (there it is a copy).
    [[nodiscard]] double parameters_of(int node) const;
    [[nodiscard]] double device_parameters() const;
    /// Bytes of a gradient element as the data-parallel collective moves it.
    [[nodiscard]] int reduction_element() const;

    [[nodiscard]] sim::TaskLabel label(sim::Phase phase, const std::string& name, int micro_batch = -1,
                                       int node = -1, int chunk = 0, int slice = 0);
    /// A sequence of kernels on the compute stream.
    sim::TaskId compute(const std::vector<Kernel>& kernels, const sim::TaskLabel& label,
                        sim::TaskId after = {}, std::uint8_t flags = 0);
    /// An operation of the role's group on the given stream.
    sim::TaskId collective(sim::StreamKind stream, const Role& role, sim::CollectiveKind kind, double bytes,
                           const std::vector<std::uint32_t>& devices, const sim::TaskLabel& label,
                           sim::TaskId after, sim::TaskId also_after = {}, std::uint8_t flags = 0);

    /// Global devices of this rank's groups (the representative: tp, cp, dp coordinates 0).
    [[nodiscard]] std::vector<std::uint32_t> tp_group() const;
    [[nodiscard]] std::vector<std::uint32_t> dp_group() const;  ///< data x context parallel
    [[nodiscard]] std::vector<std::uint32_t> dp_inner_group()
        const;  ///< hybrid sharding: those that shard together
    [[nodiscard]] std::vector<std::uint32_t> dp_outer_group() const;  ///< and those that replicate
};

/// A memory-bound kernel outside the model's operators (optimizer, casts, zeroing).
Kernel pass_over(MemoryFamily family, double bytes, double host_operations, bool backward = false);

}  // namespace orrery::parallel
