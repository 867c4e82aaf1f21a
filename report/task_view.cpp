#include "report/task_view.hpp"

#include <map>

namespace orrery::report {
namespace {

Category category_of_stream(sim::StreamKind kind) {
    switch (kind) {
        case sim::StreamKind::tp:
            return Category::tp;
        case sim::StreamKind::cp:
            return Category::cp;
        case sim::StreamKind::ep:
            return Category::ep;
        case sim::StreamKind::pp_send:
        case sim::StreamKind::pp_recv:
            return Category::pp;
        case sim::StreamKind::copy_in:
        case sim::StreamKind::copy_out:
            return Category::copy;
        case sim::StreamKind::compute:  // a collective on the compute stream: of the gradients or the loss
        case sim::StreamKind::dp:
            return Category::dp;
    }
    return Category::dp;
}

Category category_of_phase(sim::Phase phase) {
    switch (phase) {
        case sim::Phase::forward:
            return Category::forward;
        case sim::Phase::backward:
            return Category::backward;
        case sim::Phase::backward_input:
            return Category::backward_input;
        case sim::Phase::backward_weight:
            return Category::backward_weight;
        case sim::Phase::recompute:
            return Category::recompute;
        case sim::Phase::optimizer:
            return Category::optimizer;
        case sim::Phase::parameter_gather:
        case sim::Phase::gradient_reduce:
            return Category::dp;
        case sim::Phase::transfer:
            return Category::copy;
    }
    return Category::forward;
}

}  // namespace

std::string_view to_string(Category category) {
    switch (category) {
        case Category::forward:
            return "forward";
        case Category::backward:
            return "backward";
        case Category::backward_input:
            return "backward, input";
        case Category::backward_weight:
            return "backward, weight";
        case Category::recompute:
            return "recompute";
        case Category::optimizer:
            return "optimizer";
        case Category::tp:
            return "tensor parallel";
        case Category::pp:
            return "pipeline";
        case Category::dp:
            return "data parallel";
        case Category::cp:
            return "context parallel";
        case Category::ep:
            return "expert parallel";
        case Category::copy:
            return "copy";
        case Category::much_shorter:
            return "20% shorter or more";
        case Category::shorter:
            return "5 to 20% shorter";
        case Category::as_predicted:
            return "as predicted";
        case Category::longer:
            return "5 to 20% longer";
        case Category::much_longer:
            return "20% longer or more";
        case Category::kCount:
            break;
    }
    return "?";
}

Category category_of(const sim::Program& program, const sim::RankProgram& tasks, sim::TaskId task) {
    const sim::Work& work = program.works[tasks.work[task()]()];
    if (std::holds_alternative<sim::Copy>(work)) return Category::copy;
    if (std::holds_alternative<sim::Collective>(work)) {
        return category_of_stream(tasks.streams[tasks.stream[task()]()].kind);
    }
    return category_of_phase(tasks.label[task()].phase);
}

double bytes_of(const sim::Work& work) {
    if (const auto* collective = std::get_if<sim::Collective>(&work)) return collective->bytes;
    if (const auto* copy = std::get_if<sim::Copy>(&work)) return copy->bytes;
    double bytes = 0;
    for (const Kernel& kernel : std::get<sim::KernelSequence>(work).kernels) bytes += kernel.bytes;
    return bytes;
}

std::vector<sim::RankId> one_rank_per_pipeline_device(const sim::Program& program) {
    std::map<std::int32_t, sim::RankId> first;
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
        first.try_emplace(program.ranks[rank].pipeline_device, sim::RankId(rank));
    }
    std::vector<sim::RankId> ranks;
    for (const auto& [device, rank] : first) ranks.push_back(rank);
    return ranks;
}

}  // namespace orrery::report
