#include "parallel/pipeline/batch_loss.hpp"

namespace orrery::parallel {

using namespace sim;

TaskId append_batch_loss(RankContext& c, int node, std::span<const TaskId> after) {
    const std::vector<std::uint32_t> ranks = c.dp_group();
    const std::int64_t samples = c.plan.training.global_batch;
    const std::int64_t rows = samples / c.plan.parallel.dp;
    const models::ContrastiveLoss loss = models::contrastive_loss(
        c.model.layer(node).operators.front(), rows, samples, c.shape_of(node, 0, 0), c.software);
    const std::string name = c.model.layer(node).name;
    std::vector<TaskId> ready(after.begin(), after.end());
    if (ranks.size() > 1) {
        const TaskId gathered =
            c.collective(StreamKind::dp, {RoleKind::dp}, CollectiveKind::all_gather, loss.gathered_bytes,
                         ranks, c.label(Phase::forward, "gather embeddings", -1, node), c.last_compute);
        for (const TaskId task : ready) c.rank.depend(task);
        ready.push_back(gathered);
    }
    c.compute(loss.forward, c.label(Phase::forward, name, -1, node), ready);
    const TaskId first = c.last_compute;
    c.compute(loss.backward, c.label(Phase::backward, name, -1, node));
    c.rank.memory(first, MemoryKind::workspace, loss.workspace_bytes);
    c.rank.memory(c.last_compute, MemoryKind::workspace, -loss.workspace_bytes);
    if (ranks.size() == 1) return c.last_compute;
    return c.collective(StreamKind::dp, {RoleKind::dp}, CollectiveKind::reduce_scatter, loss.gathered_bytes,
                        ranks, c.label(Phase::backward, "scatter embedding gradients", -1, node),
                        c.last_compute);
}

}  // namespace orrery::parallel
