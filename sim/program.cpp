#include "sim/program.hpp"

#include <fmt/format.h>

#include <numeric>

namespace orrery::sim {

double TrafficMatrix::mean_sent() const {
    return members == 0 ? 0 : std::accumulate(bytes.begin(), bytes.end(), 0.0) / members;
}

std::string describe(const Program& program, RankId rank, TaskId task) {
    const RankProgram& tasks = program.program_of(rank);
    const TaskLabel& label = tasks.label[task()];
    std::string text =
        fmt::format("rank {} (device {}), stream {}, task {}: {} {}", rank.value,
                    program.ranks[rank()].device, to_string(tasks.streams[tasks.stream[task()]()].kind),
                    task.value, program.names[static_cast<std::size_t>(label.name)], to_string(label.phase));
    if (label.micro_batch >= 0) text += fmt::format(" mb {}", label.micro_batch);
    return text;
}

std::string_view to_string(StreamKind kind) {
    switch (kind) {
        case StreamKind::compute:
            return "compute";
        case StreamKind::tp:
            return "tp";
        case StreamKind::cp:
            return "cp";
        case StreamKind::ep:
            return "ep";
        case StreamKind::dp:
            return "dp";
        case StreamKind::pp_send:
            return "pp-send";
        case StreamKind::pp_recv:
            return "pp-recv";
        case StreamKind::copy_in:
            return "copy-in";
        case StreamKind::copy_out:
            return "copy-out";
    }
    return "?";
}

std::string_view to_string(Phase phase) {
    switch (phase) {
        case Phase::forward:
            return "forward";
        case Phase::backward:
            return "backward";
        case Phase::backward_input:
            return "backward-input";
        case Phase::backward_weight:
            return "backward-weight";
        case Phase::recompute:
            return "recompute";
        case Phase::parameter_gather:
            return "parameter-gather";
        case Phase::gradient_reduce:
            return "gradient-reduce";
        case Phase::optimizer:
            return "optimizer";
        case Phase::transfer:
            return "transfer";
    }
    return "?";
}

std::string_view to_string(CollectiveKind kind) {
    switch (kind) {
        case CollectiveKind::all_reduce:
            return "all-reduce";
        case CollectiveKind::all_gather:
            return "all-gather";
        case CollectiveKind::reduce_scatter:
            return "reduce-scatter";
        case CollectiveKind::broadcast:
            return "broadcast";
        case CollectiveKind::reduce:
            return "reduce";
        case CollectiveKind::all_to_all:
            return "all-to-all";
        case CollectiveKind::all_to_all_v:
            return "all-to-all-v";
        case CollectiveKind::gather:
            return "gather";
        case CollectiveKind::scatter:
            return "scatter";
        case CollectiveKind::send_recv:
            return "send-recv";
        case CollectiveKind::barrier:
            return "barrier";
    }
    return "?";
}

std::string_view to_string(MemoryKind kind) {
    switch (kind) {
        case MemoryKind::parameters:
            return "parameters";
        case MemoryKind::gradients:
            return "gradients";
        case MemoryKind::optimizer_state:
            return "optimizer_state";
        case MemoryKind::activations:
            return "activations";
        case MemoryKind::communication_buffers:
            return "communication_buffers";
        case MemoryKind::workspace:
            return "workspace";
        case MemoryKind::kCount:
            break;
    }
    return "?";
}

}  // namespace orrery::sim
