#include "parallel/pipeline/layer_runs.hpp"

namespace orrery::parallel {

using namespace sim;

void LayerRuns::run(int node, int draw, Pass pass, int slice, bool selective, const TaskLabel& label) {
    for (const PreparedStep& step : prepared_.steps(node, draw, pass, slice, selective)) {
        switch (step.kind) {
            case Step::Kind::kernel:
                compute(step.work, label, step.gated);
                mean(step, pass, label);
                break;
            case Step::Kind::collective: {
                TaskLabel named = label;
                named.name = step.name;
                const StreamKind stream = stream_of(step.role);
                const bool waits = stream == StreamKind::tp && c_.software.tp_host_sync;
                // A second communication in a row follows the first where both are one stream's.
                outstanding_[stream] =
                    c_.rank.add_operation(c_.rank.stream(stream), step.work, c_.rank.slot({step.role}), named,
                                          {c_.last_compute}, waits ? kHostWaits : std::uint8_t{0});
                mean(step, pass, label);
                break;
            }
            case Step::Kind::wait:
                for (const auto& [stream, task] : outstanding_) gates_.push_back(task);
                outstanding_.clear();
                break;
        }
    }
}

void LayerRuns::mean(const PreparedStep& step, Pass pass, const TaskLabel& label) {
    if (!c_.rank.records_meaning) return;
    c_.rank.mean({.effect = Effect::layer,
                  .node = label.layer,
                  .micro_batch = label.micro_batch,
                  .slice = label.slice,
                  .pass = pass,
                  .again = label.phase == Phase::recompute,
                  .parts = step.parts});
}

void LayerRuns::host(double operations, const TaskLabel& label) {
    if (operations <= 0) return;
    const Kernel kernel{.kind = KernelKind::host_only, .backward = true, .host_operations = operations};
    compute(c_.interner.work(KernelSequence{{kernel}}), label, true);
}

/// A task on the compute stream; a gated one stands behind everything that has been waited for since the
/// last.
void LayerRuns::compute(WorkId work, const TaskLabel& label, bool gated) {
    c_.last_compute = c_.rank.add(c_.rank.stream(StreamKind::compute), work, label, {});
    if (!gated) return;
    for (const TaskId gate : gates_) c_.rank.depend(gate);
    gates_.clear();
}

}  // namespace orrery::parallel
