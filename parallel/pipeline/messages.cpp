#include "parallel/pipeline/messages.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace orrery::parallel {

using namespace sim;

Messages::Messages(RankContext& context, const Transfers& transfers)
    : c_(context), transfers_(transfers), received_(transfers.channels()) {}

double Messages::bytes_of(const Message& message) const {
    const auto [upper, lower] = std::minmax(message.from_stage, message.to_stage);
    return c_.boundary_bytes(upper, lower, message.slice);
}

TaskId Messages::transfer(Place place, bool sending) {
    const Channel& channel = transfers_.channel(place.channel);
    const Message& message = transfers_.message(place);
    const Parallelism& p = c_.plan.parallel;
    const int peer = sending ? channel.to : channel.from;
    const Collective work{
        CollectiveKind::send_recv, bytes_of(message),
        c_.interner.group({device_of(p, {0, 0, 0, channel.from}), device_of(p, {0, 0, 0, channel.to})})};
    const bool forward = channel.index % 2 == 0;
    const TaskLabel label = c_.label(forward ? Phase::forward : Phase::backward,
                                     (sending ? "send to " : "receive from ") + std::to_string(peer),
                                     message.micro_batch, -1, message.to_stage / p.pp, message.slice);
    const StreamId stream =
        c_.rank.stream(sending ? StreamKind::pp_send : StreamKind::pp_recv, peer, channel.index);
    const Role role{RoleKind::pipeline, channel.from, channel.to, channel.index};
    const TaskId task = c_.rank.add_operation(stream, c_.interner.work(work), c_.rank.slot(role), label, {});
    if (c_.rank.records_meaning)
        c_.rank.mean({.effect = sending ? Effect::send : Effect::receive, .handovers = {handover(place)}});
    return task;
}

Handover Messages::handover(Place place) const {
    const Message& message = transfers_.message(place);
    const auto [upper, lower] = std::minmax(message.from_stage, message.to_stage);
    return {.from_stage = message.from_stage,
            .to_stage = message.to_stage,
            .micro_batch = message.micro_batch,
            .slice = message.slice,
            .gradients = transfers_.channel(place.channel).index % 2 == 1,
            .nodes = c_.tensors.between(upper, lower)};
}

void Messages::post_receives(std::size_t position) {
    for (const Place place : transfers_.posted(c_.device, position)) {
        const TaskId task = transfer(place, false);
        c_.rank.depend(c_.last_compute);
        const Message& message = transfers_.message(place);
        c_.rank.memory(task, MemoryKind::communication_buffers, bytes_of(message));
        received_[place.channel].push_back(task);
    }
}

std::vector<TaskId> Messages::receive(std::size_t position) {
    std::vector<TaskId> tasks;
    for (const Place place : transfers_.awaited(c_.device, position)) {
        const Message& message = transfers_.message(place);
        taken_up_.push_back(bytes_of(message));
        if (c_.rank.records_meaning) handed_over_.push_back(handover(place));
        tasks.push_back(gather_scattered(received_[place.channel].at(place.number), place));
    }
    return tasks;
}

void Messages::wait_for(const std::vector<TaskId>& received, const TaskLabel& label) {
    const Kernel calls{.kind = KernelKind::host_only, .host_operations = c_.software.host.p2p};
    const bool blocks = c_.software.p2p_host_sync && !c_.plan.parallel.overlap_p2p;
    c_.last_compute =
        c_.rank.add(c_.rank.stream(StreamKind::compute), c_.interner.work(KernelSequence{{calls}}), label, {},
                    blocks ? kHostWaits : 0);
    for (const TaskId task : received) c_.rank.depend(task);
    c_.rank.mean({.effect = Effect::take_up, .handovers = std::exchange(handed_over_, {})});
    // What arrived is now the action's input: where it is kept, it counts among the activations.
    for (const double bytes : std::exchange(taken_up_, {}))
        c_.rank.memory(c_.last_compute, MemoryKind::communication_buffers, -bytes);
}

/// Megatron's scatter-gather optimisation: tensor-parallel ranks send a share each and gather it on arrival.
TaskId Messages::gather_scattered(TaskId task, Place place) {
    if (!c_.software.scatter_gather_p2p || c_.shapes.front().sequence_parallel || c_.plan.parallel.tp == 1)
        return task;
    const Message& message = transfers_.message(place);
    const bool forward = transfers_.channel(place.channel).index % 2 == 0;
    const double full = bytes_of(message) * c_.plan.parallel.tp;
    const TaskId gathered = c_.collective(
        StreamKind::tp, {RoleKind::tp}, CollectiveKind::all_gather, full, c_.tp_group(),
        c_.label(forward ? Phase::forward : Phase::backward, "gather received", message.micro_batch), task);
    if (c_.rank.records_meaning)
        c_.rank.mean({.effect = Effect::gather_received, .handovers = {handover(place)}});
    return gathered;
}

void Messages::send(std::size_t position, const std::vector<TaskId>& after) {
    for (const Place place : transfers_.sent(c_.device, position)) {
        sends_.push_back(transfer(place, true));
        for (const TaskId task : after) c_.rank.depend(task);
    }
}

std::vector<TaskId> Messages::take_sends() {
    return std::exchange(sends_, {});
}

}  // namespace orrery::parallel
