// schedules/graphpipe.cpp
//
// GraphPipe (Jeon et al. 2025): the stages form a DAG instead of a chain, so that parallel branches of a
// model run at the same time. What a stage has in flight follows its depth, the longest way from it to the
// end, not the number of stages: 1F1B with depth-1 forwards ahead. Bubble: (depth of the graph - 1)(F+B+W).
//
// The bare schedule's graph is `branches` chains of equal length that join into a trunk: the variant
// "BRANCHESxLENGTH" (for p stages the trunk is the remaining p - BRANCHES*LENGTH, at least one); by default
// two branches and a trunk of one or two stages.
//
// DistMM (Huang et al. 2024): the branches are the towers of a contrastive model, one a modality, and the
// trunk computes a loss over the whole batch. No backward can start before every micro-batch has reached it:
// all forwards, then all backwards, the towers side by side. Bubble: as above; every activation is held.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

struct Branches {
    int count = 1;
    int length = 0;
};

Branches parse_branches(std::string_view name, const PipelineShape& shape) {
    if (shape.variant.empty()) return shape.devices < 3 ? Branches{} : Branches{2, (shape.devices - 1) / 2};
    Branches branches;
    const char* const end = shape.variant.data() + shape.variant.size();
    const auto count = std::from_chars(shape.variant.data(), end, branches.count);
    const bool times = count.ec == std::errc() && count.ptr != end && *count.ptr == 'x';
    const auto length = std::from_chars(times ? count.ptr + 1 : end, end, branches.length);
    if (!times || length.ec != std::errc() || length.ptr != end || branches.count < 1 ||
        branches.length < 1 || branches.count >= shape.devices || branches.length >= shape.devices ||
        branches.count * branches.length >= shape.devices)
        throw InputError({}, "variant",
                         fmt::format("{} expects BRANCHESxLENGTH with fewer than {} stages in the "
                                     "branches, such as 2x1, not '{}'",
                                     name, shape.devices, shape.variant.substr(0, 40)));
    return branches;
}

/// Branch after branch, then the trunk.
std::vector<std::vector<int>> branched_inputs(int stages, Branches branches) {
    std::vector<std::vector<int>> inputs(static_cast<std::size_t>(stages));
    const int trunk = branches.count * branches.length;
    for (int stage = 0; stage < trunk; ++stage)
        if (stage % branches.length != 0) inputs[stage] = {stage - 1};
    for (int stage = trunk; stage < stages; ++stage) {
        if (stage > trunk) inputs[stage] = {stage - 1};
        if (stage == trunk && branches.length > 0)
            for (int branch = 0; branch < branches.count; ++branch)
                inputs[stage].push_back((branch + 1) * branches.length - 1);
    }
    return inputs;
}

}  // namespace

std::vector<int> depths_to_end(const std::vector<std::vector<int>>& stage_inputs) {
    std::vector<int> depth(stage_inputs.size(), 1);
    for (std::size_t stage = stage_inputs.size(); stage-- > 0;)
        for (const int input : stage_inputs[stage]) depth[input] = std::max(depth[input], depth[stage] + 1);
    return depth;
}

namespace {

Schedule on_branches(std::string_view name, const PipelineShape& shape) {
    Schedule schedule = empty_schedule(name, shape);
    require_chunks(name, shape, 1);
    require_whole_sequences(name, shape);
    if (!shape.stage_inputs.empty()) {
        if (!shape.variant.empty())
            throw InputError(
                {}, "variant",
                fmt::format("{}: the graph of the stages is that of the model's layers here; expected "
                            "none, not '{}'",
                            name, shape.variant.substr(0, 40)));
        schedule.stage_inputs = shape.stage_inputs;
        return schedule;
    }
    schedule.stage_inputs = branched_inputs(shape.devices, parse_branches(name, shape));
    return schedule;
}

}  // namespace

Schedule graphpipe(const PipelineShape& shape) {
    Schedule schedule = on_branches("graphpipe", shape);
    const std::vector<int> depth = depths_to_end(schedule.stage_inputs);
    for (int stage = 0; stage < shape.devices; ++stage)
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches, depth[stage] - 1);
    return schedule;
}

Schedule distmm(const PipelineShape& shape) {
    Schedule schedule = on_branches("distmm", shape);
    for (int stage = 0; stage < shape.devices; ++stage)
        append_one_f_one_b(schedule.orders[stage], stage, shape.micro_batches, shape.micro_batches);
    return schedule;
}

}  // namespace orrery::schedules
