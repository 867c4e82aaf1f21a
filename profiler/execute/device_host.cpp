#include "profiler/execute/device_host.hpp"

#include <algorithm>

namespace orrery::profiler {
namespace {

constexpr double kLook = 20e-6;   ///< at a task that the host waits for
constexpr double kSleep = 50e-3;  ///< when only other ranks can change anything
constexpr std::uint32_t kAdmitted = 16;

}  // namespace

DeviceHost::DeviceHost(DeviceProgram& program, std::size_t rank, DeviceMeetings& meetings)
    : program_(program),
      devices_(program.devices()),
      tasks_(program.ranks()[rank]),
      rank_(rank),
      meetings_(meetings),
      streams_(tasks_.streams()),
      is_issued_(tasks_.size(), false),
      end_(tasks_.size(), 0),
      issue_s_(tasks_.size(), 0) {}

void DeviceHost::run(const std::atomic<bool>& stop) {
    while (left() > 0 && !stop) {
        const std::uint64_t seen = meetings_.changes();
        bool moved = admit();
        moved = take_note_of_meetings() || moved;
        while (issue_next() && !stop) moved = true;
        if (!moved) meetings_.wait(seen, host_waits_ ? kLook : kSleep);
    }
}

/// The host comes to tasks in order, and stands at one that it waits for until that has ended. A few at a
/// time: the first is issued at once.
bool DeviceHost::admit() {
    const std::uint32_t before = admitted_;
    RankMemory& memory = program_.memory(rank_);
    host_waits_ = false;
    while (admitted_ < tasks_.size() && admitted_ < before + kAdmitted) {
        if (admitted_ > 0 && tasks_.host_waits(admitted_ - 1)) {
            const std::uint32_t awaited = admitted_ - 1;
            host_waits_ = is_issued_[awaited];
            if (!is_issued_[awaited] || !devices_.reached(end_[awaited])) break;
            host_waits_ = false;
        }
        tasks_.take_memory(admitted_, memory);
        tasks_.give_memory(admitted_, memory);
        ++admitted_;
    }
    return admitted_ != before;
}

bool DeviceHost::take_note_of_meetings() {
    bool moved = false;
    for (std::size_t s = 0; s < streams_.size(); ++s) {
        if (!streams_[s].waiting) continue;
        const std::uint32_t task = tasks_.of_stream(s)[streams_[s].issued];
        Mark end = 0;
        if (!meetings_.issued(rank_, task, end)) continue;
        streams_[s].waiting = false;
        issued_one(task, end);
        moved = true;
    }
    return moved;
}

/// Of the streams' next tasks the first in the program's order that can be issued.
bool DeviceHost::issue_next() {
    std::uint32_t first = admitted_;
    for (std::size_t s = 0; s < streams_.size(); ++s) {
        const std::vector<std::uint32_t>& list = tasks_.of_stream(s);
        if (streams_[s].waiting || streams_[s].issued == list.size()) continue;
        const std::uint32_t task = list[streams_[s].issued];
        if (task < first && can_issue(task)) first = task;
    }
    if (first == admitted_) return false;
    issue(first);
    return true;
}

bool DeviceHost::can_issue(std::uint32_t task) const {
    const auto before = tasks_.dependencies(task);
    return std::all_of(before.begin(), before.end(), [this](sim::TaskId each) { return is_issued_[each()]; });
}

/// What the task waits for that its lane does not keep in order by itself.
std::vector<Mark> DeviceHost::marks_before(std::uint32_t task) const {
    const std::size_t stream = tasks_.stream_of(task);
    const bool has_lane = program_.stream(rank_, stream).lane != kNoLane;
    std::vector<Mark> marks;
    for (const sim::TaskId before : tasks_.dependencies(task)) {
        if (has_lane && tasks_.stream_of(before.value) == stream) continue;
        if (std::find(marks.begin(), marks.end(), end_[before()]) == marks.end())
            marks.push_back(end_[before()]);
    }
    const std::size_t done = streams_[stream].issued;
    if (!has_lane && done > 0) marks.push_back(end_[tasks_.of_stream(stream)[done - 1]]);
    return marks;
}

void DeviceHost::issue(std::uint32_t task) {
    const std::size_t stream = tasks_.stream_of(task);
    const Lane lane = program_.stream(rank_, stream).lane;
    const Mark start = DeviceProgram::start_mark(tasks_.global(task));
    const Mark end = DeviceProgram::end_mark(tasks_.global(task));
    const double begin_s = devices_.now();
    std::vector<Mark> before = marks_before(task);
    if (lane != kNoLane) {
        for (const Mark mark : before) devices_.wait(lane, mark);
        devices_.record(lane, start);
        before = {start};
    }
    if (tasks_.is_operation(task)) {
        streams_[stream].waiting = true;
        meetings_.arrive(rank_, task, std::move(before), lane == kNoLane ? begin_s : 0);
        issue_s_[task] = devices_.now() - begin_s;
        (void)take_note_of_meetings();
        return;
    }
    devices_.launch(lane, tasks_.list().work[task]);
    devices_.record(lane, end);
    issue_s_[task] = devices_.now() - begin_s;
    issued_one(task, end);
}

void DeviceHost::issued_one(std::uint32_t task, Mark end) {
    is_issued_[task] = true;
    end_[task] = end;
    ++done_;
    streams_[tasks_.stream_of(task)].issued.fetch_add(1, std::memory_order_release);
}

}  // namespace orrery::profiler
