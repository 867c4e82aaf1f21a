#include "profiler/execute/device_operations.hpp"

#include <algorithm>
#include <cmath>

#include "profiler/execute/devices.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;

/// Floats that member `from` sends to member `to` of an all-to-all-v; what it keeps stays where it is.
std::size_t floats_between(const sim::TrafficMatrix& matrix, std::size_t from, std::size_t to) {
    if (from == to) return 0;
    return floats_of(matrix.at(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to)));
}

}  // namespace

std::size_t floats_of(double bytes) {
    if (!(bytes > 0)) return 0;
    return static_cast<std::size_t>(std::max(std::floor(bytes / sizeof(float)), 1.0));
}

std::size_t buffer_bytes(const sim::Program& program, const sim::Collective& work, std::size_t members) {
    switch (work.kind) {
        case CollectiveKind::barrier:
            return sizeof(float);  // what a barrier of NCCL's sums
        case CollectiveKind::all_reduce:
        case CollectiveKind::send_recv:
        case CollectiveKind::broadcast:
        case CollectiveKind::reduce:
            return floats_of(work.bytes) * sizeof(float);
        case CollectiveKind::all_to_all_v: {
            const sim::TrafficMatrix& matrix = program.matrices[work.matrix];
            std::size_t most = 0;
            for (std::size_t one = 0; one < members; ++one) {
                std::size_t sent = 0;
                std::size_t received = 0;
                for (std::size_t other = 0; other < members; ++other) {
                    sent += floats_between(matrix, one, other);
                    received += floats_between(matrix, other, one);
                }
                most = std::max({most, sent, received});
            }
            return most * sizeof(float);
        }
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::all_to_all:
        case CollectiveKind::gather:
        case CollectiveKind::scatter:
            break;
    }
    return floats_of(work.bytes / static_cast<double>(members)) * members * sizeof(float);
}

void CopiedOperations::carry_out(const MetOperation& operation) {
    if (operation.work->kind == CollectiveKind::send_recv && operation.members.size() == 2)
        return carry_out_pair(operation);
    meet(operation.members, true);
    if (operation.members.size() < 2 || operation.work->kind == CollectiveKind::barrier) return;
    move_data(operation);
    meet(operation.members, false);
}

void CopiedOperations::carry_out_pair(const MetOperation& operation) {
    const bool first_sends = operation.members[0].sends;
    const OperationMember& sender = operation.members[first_sends ? 0 : 1];
    const OperationMember& receiver = operation.members[first_sends ? 1 : 0];
    for (const Mark mark : sender.arrived) devices_.wait(receiver.lane, mark);
    copy(receiver, 0, sender.send, 0, floats_of(operation.work->bytes));
    if (sender.lane == kNoLane) return;
    const Mark done = first_mark_ + 2 * receiver.lane;
    devices_.record(receiver.lane, done);
    devices_.wait(sender.lane, done);
}

void CopiedOperations::meet(const Members& members, bool arrived) {
    if (members.size() < 2) return;
    const OperationMember& leader = members.front();
    for (std::size_t i = 1; i < members.size(); ++i) {
        if (arrived) {
            for (const Mark mark : members[i].arrived) devices_.wait(leader.lane, mark);
        } else {
            const Mark mark = first_mark_ + 2 * members[i].lane;
            devices_.record(members[i].lane, mark);
            devices_.wait(leader.lane, mark);
        }
    }
    const Mark met = first_mark_ + 2 * leader.lane + 1;
    devices_.record(leader.lane, met);
    for (std::size_t i = 1; i < members.size(); ++i) devices_.wait(members[i].lane, met);
}

void CopiedOperations::copy(const OperationMember& to, std::size_t to_at, const std::byte* from,
                            std::size_t from_at, std::size_t count) {
    if (count == 0) return;
    devices_.copy(to.lane, to.receive + to_at * sizeof(float), from + from_at * sizeof(float),
                  count * sizeof(float));
}

void CopiedOperations::add(const OperationMember& to, std::size_t to_at, const Members& from,
                           std::size_t from_at, std::size_t count) {
    if (count == 0) return;
    std::vector<const std::byte*> summands;
    summands.reserve(from.size());
    for (const OperationMember& each : from) summands.push_back(each.send + from_at * sizeof(float));
    devices_.add(to.lane, to.receive + to_at * sizeof(float), summands, count);
}

/// Sizes as sim::Collective::bytes has them. The first member is the root.
void CopiedOperations::move_data(const MetOperation& operation) {
    const Members& all = operation.members;
    const std::size_t n = all.size();
    const std::size_t whole = floats_of(operation.work->bytes);
    const std::size_t share = floats_of(operation.work->bytes / static_cast<double>(n));
    switch (operation.work->kind) {
        case CollectiveKind::all_reduce:
            return all_reduce(all, whole);
        case CollectiveKind::all_gather:
            for (const OperationMember& member : all)
                for (std::size_t i = 0; i < n; ++i) copy(member, i * share, all[i].send, 0, share);
            return;
        case CollectiveKind::reduce_scatter:
            for (std::size_t i = 0; i < n; ++i) add(all[i], 0, all, i * share, share);
            return;
        case CollectiveKind::broadcast:
            for (std::size_t i = 1; i < n; ++i) copy(all[i], 0, all[0].send, 0, whole);
            return;
        case CollectiveKind::reduce:
            return add(all[0], 0, all, 0, whole);
        case CollectiveKind::all_to_all:
            for (std::size_t to = 0; to < n; ++to)
                for (std::size_t from = 0; from < n; ++from)
                    copy(all[to], from * share, all[from].send, to * share, share);
            return;
        case CollectiveKind::all_to_all_v:
            return all_to_all_v(operation);
        case CollectiveKind::gather:
            for (std::size_t from = 0; from < n; ++from) copy(all[0], from * share, all[from].send, 0, share);
            return;
        case CollectiveKind::scatter:
            for (std::size_t to = 0; to < n; ++to) copy(all[to], 0, all[0].send, to * share, share);
            return;
        case CollectiveKind::send_recv:
        case CollectiveKind::barrier:
            return;
    }
}

/// Each sums the share that is its own, then fetches the others' sums. The first shares are one longer where
/// the floats do not divide.
void CopiedOperations::all_reduce(const Members& members, std::size_t count) {
    const std::size_t n = members.size();
    const auto begin = [n, count](std::size_t i) { return i * (count / n) + std::min(i, count % n); };
    for (std::size_t i = 0; i < n; ++i) add(members[i], begin(i), members, begin(i), begin(i + 1) - begin(i));
    meet(members, false);
    for (std::size_t to = 0; to < n; ++to) {
        for (std::size_t i = 0; i < n; ++i) {
            if (i != to) copy(members[to], begin(i), members[i].receive, begin(i), begin(i + 1) - begin(i));
        }
    }
}

/// Row and column of each member in the matrix.
void CopiedOperations::all_to_all_v(const MetOperation& operation) {
    const sim::TrafficMatrix& matrix = program_->matrices[operation.work->matrix];
    const std::size_t n = operation.members.size();
    std::vector<std::size_t> received(n, 0);
    for (std::size_t from = 0; from < n; ++from) {
        std::size_t sent = 0;
        for (std::size_t to = 0; to < n; ++to) {
            const std::size_t count = floats_between(matrix, from, to);
            copy(operation.members[to], received[to], operation.members[from].send, sent, count);
            sent += count;
            received[to] += count;
        }
    }
}

}  // namespace orrery::profiler
