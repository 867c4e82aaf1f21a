#include "profiler/execute/device_run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.hpp"
#include "profiler/execute/device_host.hpp"
#include "profiler/execute/job.hpp"

namespace orrery::profiler {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(2);  ///< at what has ended
constexpr auto kComeBack = std::chrono::seconds(3);   ///< hosts of abandoned devices
constexpr std::size_t kMostShown = 8;                 ///< ranks of a message

/// To the end of the process: a host that hangs in a device's queue may come back when the device is reset.
void keep(std::shared_ptr<void> used) {
    static auto& kept = *new std::vector<std::shared_ptr<void>>;
    kept.push_back(std::move(used));
}

class DeviceStep {
  public:
    DeviceStep(DeviceProgram& program, const ExecuteOptions& options)
        : program_(program), options_(options), meetings_(program) {
        for (std::size_t r = 0; r < program.ranks().size(); ++r) {
            hosts_.emplace_back(program, r, meetings_);
            ended_.emplace_back(program.ranks()[r].streams(), 0);
        }
    }

    /// Throws HostsLost when hosts stay behind.
    MeasuredStep run() {
        for (std::size_t r = 0; r < hosts_.size(); ++r) program_.memory(r).begin_step();
        std::vector<std::thread> threads;
        for (std::size_t r = 0; r < hosts_.size(); ++r) threads.emplace_back([this, r] { issue(r); });
        while (ready_ < hosts_.size()) std::this_thread::yield();
        std::exception_ptr failure;
        try {
            program_.devices().begin();
            go_ = true;
            watch();
        } catch (...) {
            failure = std::current_exception();
            stop_ = true;
            meetings_.stop();
            program_.devices().abandon();  // so that no host waits for a device
        }
        const bool lost = failure && !all_come_back();
        for (std::thread& thread : threads) lost ? thread.detach() : thread.join();
        if (lost) lose(failure);
        if (failure) std::rethrow_exception(failure);
        return measured();
    }

  private:
    /// On the rank's thread.
    void issue(std::size_t rank) {
        try {
            program_.devices().enter(sim::RankId(rank));
            ++ready_;
            while (!go_ && !stop_) std::this_thread::yield();
            hosts_[rank].run(stop_);
        } catch (...) {
            const std::scoped_lock lock(failure_mutex_);
            if (!failure_) failure_ = std::current_exception();
            failed_ = true;
            ready_ += hosts_.size();
        }
        ++back_;
    }

    [[nodiscard]] bool all_come_back() const {
        const Clock::time_point last = Clock::now() + kComeBack;
        while (back_ < hosts_.size() && Clock::now() < last) std::this_thread::sleep_for(kLook);
        return back_ == hosts_.size();
    }

    [[noreturn]] static void lose(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            throw HostsLost(error.what());
        }
    }

    /// Until all has ended; throws when a host failed or nothing moves any more.
    void watch() {
        Clock::time_point moved = Clock::now();
        std::size_t seen = 0;
        while (true) {
            if (failed_) {
                const std::scoped_lock lock(failure_mutex_);
                std::rethrow_exception(failure_);
            }
            const std::size_t progress = look();
            if (left_ == 0) return;
            if (progress != seen) moved = Clock::now();
            seen = progress;
            if (std::chrono::duration<double>(Clock::now() - moved).count() > options_.timeout_s)
                throw ExperimentError(stuck());
            std::this_thread::sleep_for(kLook);
        }
    }

    /// Counts what is issued and what has ended, and what is left.
    std::size_t look() {
        std::size_t progress = 0;
        left_ = 0;
        for (std::size_t r = 0; r < hosts_.size(); ++r) {
            for (std::size_t s = 0; s < ended_[r].size(); ++s) {
                const std::vector<std::uint32_t>& list = program_.ranks()[r].of_stream(s);
                const std::size_t issued = hosts_[r].issued(s);
                std::size_t& ended = ended_[r][s];
                while (ended < issued && program_.devices().reached(hosts_[r].end_of(list[ended]))) ++ended;
                progress += issued + ended;
                left_ += list.size() - ended;
            }
        }
        return progress;
    }

    /// What each rank with tasks left is at.
    [[nodiscard]] std::string stuck() const {
        std::string text;
        std::size_t shown = 0;
        for (std::size_t r = 0; r < hosts_.size(); ++r) {
            const RankTasks& tasks = program_.ranks()[r];
            std::vector<std::uint32_t> in_flight;
            std::vector<std::uint32_t> waiting;
            std::size_t left = 0;
            for (std::size_t s = 0; s < ended_[r].size(); ++s) {
                const std::vector<std::uint32_t>& list = tasks.of_stream(s);
                left += list.size() - ended_[r][s];
                if (ended_[r][s] == list.size()) continue;
                const bool flies = hosts_[r].issued(s) > ended_[r][s] || hosts_[r].at_meeting(s);
                (flies ? in_flight : waiting).push_back(list[ended_[r][s]]);
            }
            if (left == 0) continue;
            if (shown++ == kMostShown) return text + "\n...";
            text += (text.empty() ? "" : "\n") + tasks.stuck(options_.timeout_s, left, in_flight, waiting);
        }
        return text;
    }

    /// Reads the marks' times.
    MeasuredStep measured() {
        Devices& devices = program_.devices();
        MeasuredStep step;
        step.timeline = sim::make_timeline(program_.program().tasks());
        step.issue_s.reserve(program_.program().tasks());
        for (std::size_t r = 0; r < hosts_.size(); ++r) {
            const RankTasks& tasks = program_.ranks()[r];
            for (std::uint32_t task = 0; task < tasks.size(); ++task) {
                const std::uint64_t at = tasks.global(task);
                step.timeline.end[at] = devices.time_of(hosts_[r].end_of(task));
                if (!tasks.is_operation(task))
                    step.timeline.start[at] = devices.time_of(DeviceProgram::start_mark(at));
            }
            step.issue_s.insert(step.issue_s.end(), hosts_[r].issue_s().begin(), hosts_[r].issue_s().end());
            step.peak_bytes.push_back(program_.memory(r).peak());
            step.noticed_late_s.push_back(0);
        }
        for (const IssuedOperation& operation : meetings_.operations()) {
            double met = operation.posted_s;
            for (const Mark mark : operation.arrived) met = std::max(met, devices.time_of(mark));
            for (const std::uint64_t task : operation.tasks)
                step.timeline.start[task] = std::min(met, step.timeline.end[task]);
        }
        return step;
    }

    DeviceProgram& program_;
    ExecuteOptions options_;
    DeviceMeetings meetings_;
    std::deque<DeviceHost> hosts_;
    std::vector<std::vector<std::size_t>> ended_;  ///< [rank][stream]
    std::size_t left_ = 0;
    std::atomic<std::size_t> ready_ = 0;
    std::atomic<std::size_t> back_ = 0;
    std::atomic<bool> go_ = false;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> failed_ = false;
    std::mutex failure_mutex_;
    std::exception_ptr failure_;
};

}  // namespace

MeasuredStep run_device_step(DeviceProgram& program, const ExecuteOptions& options) {
    const auto step = std::make_shared<DeviceStep>(program, options);
    try {
        return step->run();
    } catch (const HostsLost&) {
        keep(step);
        throw;
    }
}

Execution execute_on_devices(const std::vector<PlannedRun>& runs, const ExecuteOptions& options,
                             Devices& devices) {
    (void)ranks_of(runs);
    Execution execution;
    for (const PlannedRun& run : runs) {
        const auto program = std::make_shared<DeviceProgram>(run, devices);
        std::vector<MeasuredStep>& steps = execution.steps.emplace_back();
        try {
            for (int i = 0; i < options.warm_up + options.repeat; ++i) {
                MeasuredStep step = run_device_step(*program, options);
                if (i >= options.warm_up) steps.push_back(std::move(step));
            }
        } catch (const HostsLost&) {
            keep(program);
            throw;
        }
    }
    execution.machine = devices.describe();
    return execution;
}

}  // namespace orrery::profiler
