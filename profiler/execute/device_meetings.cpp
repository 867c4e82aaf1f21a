#include "profiler/execute/device_meetings.hpp"

#include <algorithm>
#include <chrono>

#include "core/error.hpp"

namespace orrery::profiler {

DeviceMeetings::DeviceMeetings(DeviceProgram& program)
    : program_(program), gatherings_(program.program().communicators.size()) {
    for (std::size_t c = 0; c < gatherings_.size(); ++c) {
        const std::size_t members = program.program().communicators[c].members.size();
        gatherings_[c].members.resize(members);
        gatherings_[c].tasks.resize(members);
        gatherings_[c].last_end.resize(members);
    }
}

std::size_t DeviceMeetings::place(sim::CommunicatorId id, std::size_t rank) const {
    const std::vector<sim::RankId>& members = program_.program().communicators[id()].members;
    return static_cast<std::size_t>(std::find(members.begin(), members.end(), sim::RankId(rank)) -
                                    members.begin());
}

void DeviceMeetings::arrive(std::size_t rank, std::uint32_t task, std::vector<Mark> arrived,
                            double posted_s) {
    const RankTasks& tasks = program_.ranks()[rank];
    const sim::CommunicatorId id = tasks.communicator_of(task);
    const std::uint32_t work = tasks.list().work[task].value;
    const DeviceProgram::Stream& stream = program_.stream(rank, tasks.stream_of(task));
    const std::scoped_lock lock(mutex_);
    Gathering& gathering = gatherings_[id()];
    if (gathering.arrived == 0) gathering.work = work;
    if (gathering.work != work || tasks.list().sequence[task] != gathering.issued) {
        throw ExperimentError("communicator '" + program_.program().communicators[id()].name +
                              "': its members are not at the same operation: " + tasks.describe(task));
    }
    const std::size_t at = place(id, rank);
    const bool pair = tasks.operation_of(task).kind == sim::CollectiveKind::send_recv;
    gathering.members[at] = {tasks.rank(),       stream.lane,
                             std::move(arrived), pair && tasks.sends(task),
                             stream.send.data(), stream.receive.data()};
    gathering.tasks[at] = task;
    gathering.posted_s = gathering.arrived == 0 ? posted_s : std::max(gathering.posted_s, posted_s);
    if (++gathering.arrived == gathering.members.size()) issue(gathering, id);
}

/// Where a member has no lane, it ends with the member that has.
void DeviceMeetings::issue(Gathering& gathering, sim::CommunicatorId id) {
    const RankTasks& first = program_.ranks()[gathering.members.front().rank()];
    const bool pair = first.operation_of(gathering.tasks.front()).kind == sim::CollectiveKind::send_recv;
    const auto senders = std::count_if(gathering.members.begin(), gathering.members.end(),
                                       [](const OperationMember& member) { return member.sends; });
    if (pair && gathering.members.size() == 2 && senders != 1) {
        throw ExperimentError("communicator '" + program_.program().communicators[id()].name +
                              "': of a pair exactly one sends, " + first.describe(gathering.tasks.front()) +
                              " and its peer do not");
    }
    program_.operations().carry_out({&first.operation_of(gathering.tasks.front()), id, gathering.members});
    IssuedOperation done;
    done.posted_s = gathering.posted_s;
    Mark carried = 0;
    for (std::size_t i = 0; i < gathering.members.size(); ++i) {
        const OperationMember& member = gathering.members[i];
        const std::uint64_t task = program_.ranks()[member.rank()].global(gathering.tasks[i]);
        done.tasks.push_back(task);
        done.arrived.insert(done.arrived.end(), member.arrived.begin(), member.arrived.end());
        gathering.last_end[i] = DeviceProgram::end_mark(task);
        if (member.lane == kNoLane) continue;
        program_.devices().record(member.lane, gathering.last_end[i]);
        carried = gathering.last_end[i];
    }
    for (std::size_t i = 0; i < gathering.members.size(); ++i)
        if (gathering.members[i].lane == kNoLane) gathering.last_end[i] = carried;
    operations_.push_back(std::move(done));
    gathering.arrived = 0;
    ++gathering.issued;
    ++changes_;
    changed_.notify_all();
}

bool DeviceMeetings::issued(std::size_t rank, std::uint32_t task, Mark& end) {
    const RankTasks& tasks = program_.ranks()[rank];
    const sim::CommunicatorId id = tasks.communicator_of(task);
    const std::scoped_lock lock(mutex_);
    const Gathering& gathering = gatherings_[id()];
    if (gathering.issued <= tasks.list().sequence[task]) return false;
    end = gathering.last_end[place(id, rank)];
    return true;
}

std::uint64_t DeviceMeetings::changes() {
    const std::scoped_lock lock(mutex_);
    return changes_;
}

void DeviceMeetings::wait(std::uint64_t seen, double most_s) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(most_s), [&] { return changes_ != seen; });
}

void DeviceMeetings::stop() {
    const std::scoped_lock lock(mutex_);
    ++changes_;
    changed_.notify_all();
}

}  // namespace orrery::profiler
