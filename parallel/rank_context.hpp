// parallel/rank_context.hpp
//
// What the parts of `lower` share while they build one pipeline device's rank program.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "parallel/expert/expert_traffic.hpp"
#include "parallel/lower.hpp"
#include "parallel/pipeline/stage_graph.hpp"
#include "parallel/pipeline/stage_tensors.hpp"
#include "parallel/program_builder.hpp"
#include "parallel/tensor/megatron.hpp"
#include "parallel/traffic_matrices.hpp"

namespace orrery::parallel {

struct RankContext {
    const models::Model& model;
    const Plan& plan;
    const models::Software& software;
    const LowerOptions& options;
    Interner& interner;
    RankBuilder& rank;
    int device = 0;  ///< pipeline device
    const StageGraph& graph;
    const std::vector<std::vector<int>>& stage_layers;  ///< [virtual stage] model nodes
    const StageTensors& tensors;
    std::vector<int> nodes;                  ///< model nodes this device holds, in the model's order
    std::vector<models::LocalShape> shapes;  ///< [token slice], without experts
    /// Copies of the weights that stay for micro-batches in flight (PipeDream's stashes).
    int weight_versions = 1;
    /// Micro-batches whose gradients one update gathers; all of the step where there is a flush.
    int micro_batches_per_update = 1;
    bool asynchronous = false;               ///< no flush: updates do not wait for other stages
    const ExpertTraffic* traffic = nullptr;  ///< of a model with experts
    TrafficMatrices* traffic_matrices = nullptr;
    int variant = 0;  ///< its place in the expert-parallel group, where ranks differ

    sim::TaskId last_compute;          ///< last task on the compute stream, or none
    std::vector<sim::TaskId> updates;  ///< asynchronous, on the first stage: the end of each update

    [[nodiscard]] int slices() const { return static_cast<int>(shapes.size()); }
    /// Bytes of an activation element.
    [[nodiscard]] int element() const { return shapes.front().element(); }
    /// What one rank sends for one slice between two stages, activations from the upper to the lower or their
    /// gradients back.
    [[nodiscard]] double boundary_bytes(int upper, int lower, int slice) const;
    /// The node's output, on a rank that holds it whole.
    [[nodiscard]] double output_bytes(int node, int slice) const;

    /// Pipeline devices that hold the node's weights, ascending.
    [[nodiscard]] const std::vector<int>& holders_of(int node) const;
    /// Whether the end of the model uses the embedding's weights too.
    [[nodiscard]] bool embedding_is_shared() const;
    /// Pipeline devices that hold the embedding's weights: with it, or with what else uses them.
    [[nodiscard]] std::vector<int> embedding_holders() const;

    /// Parameters of a node on this rank of its tensor-parallel group; a tied output projection counts only
    /// where the embedding is on another device (there it is a copy).
    [[nodiscard]] double parameters_of(int node) const;
    /// Of these, the experts'; the others are all that the data-parallel group replicates.
    [[nodiscard]] double expert_parameters_of(int node) const;
    [[nodiscard]] double device_parameters() const;
    [[nodiscard]] double device_expert_parameters() const;
    /// Whether the experts' gradients are reduced over a group of their own.
    [[nodiscard]] bool experts_apart() const;
    /// Which draw of the gating a node's micro-batch takes (0 without experts), and the rank's shape then.
    [[nodiscard]] int draw_of(int node, int micro_batch) const;
    [[nodiscard]] models::LocalShape shape_of(int node, int draw, int slice) const;
    /// Bytes of a gradient element as the data-parallel collective moves it.
    [[nodiscard]] int reduction_element() const;

    [[nodiscard]] sim::TaskLabel label(sim::Phase phase, const std::string& name, int micro_batch = -1,
                                       int node = -1, int chunk = 0, int slice = 0);
    /// A sequence of kernels on the compute stream.
    sim::TaskId compute(const std::vector<Kernel>& kernels, const sim::TaskLabel& label,
                        std::span<const sim::TaskId> after = {}, std::uint8_t flags = 0);
    /// An operation of the role's group on the given stream.
    sim::TaskId collective(sim::StreamKind stream, const Role& role, sim::CollectiveKind kind, double bytes,
                           const std::vector<std::uint32_t>& devices, const sim::TaskLabel& label,
                           sim::TaskId after, sim::TaskId also_after = {}, std::uint8_t flags = 0);

    /// Global devices of a group inside a layer: tp, cp, ep or etp.
    [[nodiscard]] std::vector<std::uint32_t> group_of(RoleKind role) const;

    /// Global devices of this rank's groups (the representative: tp, cp, dp coordinates 0).
    [[nodiscard]] std::vector<std::uint32_t> tp_group() const;
    [[nodiscard]] std::vector<std::uint32_t> cp_group() const;
    [[nodiscard]] std::vector<std::uint32_t> dp_group() const;  ///< data x context parallel
    /// The data- and context-parallel ranks of several pipeline devices together.
    [[nodiscard]] std::vector<std::uint32_t> dp_group_of(const std::vector<int>& pipeline_devices) const;
    /// And the ranks there that hold the same experts.
    [[nodiscard]] std::vector<std::uint32_t> expert_dp_group_of(
        const std::vector<int>& pipeline_devices) const;
    /// This rank's counterparts on those pipeline devices.
    [[nodiscard]] std::vector<std::uint32_t> counterparts(const std::vector<int>& pipeline_devices) const;
    [[nodiscard]] std::vector<std::uint32_t> dp_inner_group()
        const;  ///< hybrid sharding: those that shard together
    [[nodiscard]] std::vector<std::uint32_t> dp_outer_group() const;  ///< and those that replicate
    [[nodiscard]] std::vector<std::uint32_t> expert_dp_group() const;
    /// Global numbers of ranks counted inside this pipeline device.
    [[nodiscard]] std::vector<std::uint32_t> devices_of(const std::vector<int>& local) const;
};

/// A memory-bound kernel outside the model's operators (optimizer, casts, zeroing).
Kernel pass_over(MemoryFamily family, double bytes, double host_operations, bool backward = false);

}  // namespace orrery::parallel
