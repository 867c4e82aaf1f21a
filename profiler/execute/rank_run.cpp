#include "profiler/execute/rank_run.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/error.hpp"
#include "profiler/execute/rank_tasks.hpp"
#include "profiler/execute/stream_worker.hpp"

namespace orrery::profiler {
namespace {

/// How often messages in flight are looked at. Many ranks share a core: each look costs some microseconds.
constexpr double kPoll = 50e-6;
/// Beside real kernels, which want the core for themselves.
constexpr double kPollBesideKernels = 200e-6;
constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kNoTask = 0xFFFFFFFF;

enum class Running : std::uint8_t { nothing, emulated, local, operation };

struct Stream {
    const std::vector<std::uint32_t>* tasks = nullptr;  ///< in issue order
    std::size_t next = 0;                               ///< of `tasks`: the first that has not ended
    Running running = Running::nothing;
    double free_s = 0;      ///< end of its last task
    double deadline_s = 0;  ///< of an emulated task
    bool local = false;     ///< has a thread for its kernels and copies
    std::size_t given = 0;  ///< tasks from `next` on that the thread has been given
    std::size_t taken = 0;  ///< of those, how many have been ended

    [[nodiscard]] std::uint32_t head() const { return next < tasks->size() ? (*tasks)[next] : kNoTask; }
};

class RankRun {
  public:
    RankRun(const PlannedRun& run, sim::RankId rank, const ExecuteOptions& options, Transport& transport,
            LocalWork* local, RankMemory& memory, double begin_s)
        : run_(run),
          tasks_(run.program, rank),
          options_(options),
          transport_(transport),
          local_(local),
          memory_(memory),
          begin_s_(begin_s),
          streams_(tasks_.streams()),
          ended_(tasks_.size(), false),
          awaited_(tasks_.size(), false),
          issue_s_(tasks_.size(), 0),
          workers_(tasks_.streams()) {
        step_.start_s.assign(tasks_.size(), 0);
        step_.end_s.assign(tasks_.size(), 0);
        for (std::size_t s = 0; s < streams_.size(); ++s) streams_[s].tasks = &tasks_.of_stream(s);
        for (std::uint32_t task = 0; task < tasks_.size(); ++task) {
            Stream& stream = streams_[tasks_.stream_of(task)];
            stream.local = stream.local || (local_ != nullptr && !tasks_.is_operation(task));
            for (const sim::TaskId before : tasks_.dependencies(task))
                if (tasks_.stream_of(before.value) != tasks_.stream_of(task)) awaited_[before()] = true;
        }
    }
    ~RankRun() { workers_.clear(); }
    RankRun(const RankRun&) = delete;
    RankRun& operator=(const RankRun&) = delete;

    RankStep run() {
        start_workers();
        std::unique_lock lock(mutex_);
        progress_s_ = now();
        while (left() > 0) {
            bool moved = issue();
            for (std::size_t s = 0; s < streams_.size(); ++s) moved = advance(s) || moved;
            if (moved) {
                progress_s_ = now();
                continue;
            }
            check_stuck();
            wait(lock);
        }
        step_.peak_bytes = memory_.peak();
        return std::move(step_);
    }

  private:
    [[nodiscard]] double now() const { return transport_.now() - begin_s_; }
    [[nodiscard]] std::size_t left() const { return tasks_.size() - done_; }
    [[nodiscard]] bool is_operation(std::uint32_t task) const { return tasks_.is_operation(task); }
    [[nodiscard]] sim::WorkId work(std::uint32_t task) const { return tasks_.list().work[task]; }
    [[nodiscard]] const sim::WorkCost& cost(std::uint32_t task) const { return run_.costs[work(task)()]; }

    /// The host of an emulated device issues tasks in order, as in sim/engine/engine.hpp; the real one issues
    /// them at once. Either waits for tasks with kHostWaits. True when it got on.
    bool issue() {
        bool moved = false;
        while (issued_ < tasks_.size()) {
            double at = 0;
            if (issued_ > 0) {
                const std::uint32_t before = issued_ - 1;
                const bool waits = tasks_.host_waits(before);
                if (waits && !ended_[before]) break;
                at = issue_s_[before] + (options_.emulate_compute ? cost(before).launch_s : 0);
                if (waits) at = std::max(at, step_.end_s[before]);
            }
            issue_s_[issued_++] = at;
            moved = true;
        }
        return moved;
    }

    /// When the head of the stream can start: the last end of what it waits for. Nothing while that runs.
    [[nodiscard]] std::optional<double> ready(const Stream& stream, std::uint32_t task) const {
        if (task >= issued_) return std::nullopt;
        double at = std::max(stream.free_s, issue_s_[task]);
        for (const sim::TaskId before : tasks_.dependencies(task)) {
            if (!ended_[before()]) return std::nullopt;
            at = std::max(at, step_.end_s[before()]);
        }
        return at;
    }

    /// Starts what can start on the stream and ends what has ended. True when something did.
    bool advance(std::size_t index) {
        Stream& stream = streams_[index];
        bool moved = false;
        while (stream.head() != kNoTask) {
            if (stream.running == Running::nothing && !start(index)) return moved;
            if (!finish(index)) return moved;
            moved = true;
        }
        return moved;
    }

    bool start(std::size_t index) {
        Stream& stream = streams_[index];
        const std::uint32_t task = stream.head();
        const std::optional<double> at = ready(stream, task);
        if (!at) return false;
        // What is real starts now, not in the device's future.
        if ((is_operation(task) || local_ != nullptr) && *at > now()) {
            wake_s_ = std::min(wake_s_, *at);
            return false;
        }
        if (is_operation(task)) {
            take_memory(task);
            post(index, task, *at);
        } else if (local_ != nullptr) {
            give(index);
        } else {
            take_memory(task);
            const sim::WorkCost& c = cost(task);
            const double added = run_.added_s.empty() ? 0 : run_.added_s[tasks_.global(task)];
            step_.start_s[task] = *at;
            stream.deadline_s = std::max(*at + c.duration_s, issue_s_[task] + c.issue_to_end_s) + added;
            stream.running = Running::emulated;
        }
        return true;
    }

    /// Hands the stream's thread its head and what follows as far as that waits for nothing else.
    void give(std::size_t index) {
        Stream& stream = streams_[index];
        std::vector<std::uint32_t> batch;
        for (std::size_t i = stream.next; i < stream.tasks->size(); ++i) {
            const std::uint32_t task = (*stream.tasks)[i];
            const auto before = tasks_.dependencies(task);
            const bool alone = std::all_of(before.begin(), before.end(), [&](sim::TaskId each) {
                return ended_[each()] || (tasks_.stream_of(each.value) == index && each() < task);
            });
            if (task >= issued_ || is_operation(task) || !alone) break;
            batch.push_back(task);
        }
        stream.given = batch.size();
        stream.taken = 0;
        stream.running = Running::local;
        workers_[index]->give(std::move(batch));
    }

    void post(std::size_t index, std::uint32_t task, double at) {
        Posting posting;
        posting.communicator = tasks_.communicator_of(task);
        posting.work_id = work(task).value;
        posting.work = &tasks_.operation_of(task);
        posting.sequence = tasks_.list().sequence[task];
        posting.sends = tasks_.sends(task);
        posting.arrival_s = begin_s_ + (options_.emulate_communication ? at : now());
        posting.issued_end_s =
            begin_s_ + issue_s_[task] + (options_.emulate_communication ? cost(task).issue_to_end_s : 0);
        transport_.post(index, posting);
        streams_[index].running = Running::operation;
    }

    /// Ends the stream's running task if it has ended.
    bool finish(std::size_t index) {
        Stream& stream = streams_[index];
        const std::uint32_t task = stream.head();
        switch (stream.running) {
            case Running::nothing:
                return false;
            case Running::emulated:
                return finish_at_deadline(stream, task);
            case Running::local:
                return finish_done(index);
            case Running::operation:
                break;
        }
        Meeting meeting;
        if (!transport_.ended(index, meeting)) return false;
        step_.start_s[task] = meeting.met_s - begin_s_;
        if (!options_.emulate_communication) {
            end(stream, task, now());
            return true;
        }
        // The message is there; the emulated network takes its time, or the real one took longer.
        stream.deadline_s =
            std::max({step_.start_s[task] + cost(task).duration_s, meeting.issued_end_s - begin_s_, now()});
        stream.running = Running::emulated;
        return finish_at_deadline(stream, task);
    }

    /// Ends what the stream's thread has done since the last look.
    bool finish_done(std::size_t index) {
        Stream& stream = streams_[index];
        const std::size_t done = workers_[index]->done();
        if (done == stream.taken) return false;
        while (stream.taken < done) {
            ++stream.taken;
            const std::uint32_t task = stream.head();
            end(stream, task, step_.end_s[task]);
            if (stream.taken < stream.given) stream.running = Running::local;
        }
        return true;
    }

    bool finish_at_deadline(Stream& stream, std::uint32_t task) {
        const double at = now();
        if (at < stream.deadline_s) {
            wake_s_ = std::min(wake_s_, stream.deadline_s);
            return false;
        }
        step_.noticed_late_s = std::max(step_.noticed_late_s, at - stream.deadline_s);
        end(stream, task, stream.deadline_s);
        return true;
    }

    void end(Stream& stream, std::uint32_t task, double at) {
        step_.end_s[task] = at;
        ended_[task] = true;
        stream.free_s = at;
        stream.running = Running::nothing;
        ++stream.next;
        ++done_;
        if (local_ == nullptr || is_operation(task)) give_memory(task);
    }

    void give_memory(std::uint32_t task) {
        const std::scoped_lock lock(memory_mutex_);
        tasks_.give_memory(task, memory_);
    }

    void take_memory(std::uint32_t task) {
        const std::scoped_lock lock(memory_mutex_);
        tasks_.take_memory(task, memory_);
    }

    /// Sleeps until an emulated task ends, a worker is done, or messages are due for a look.
    void wait(std::unique_lock<std::mutex>& lock) {
        bool flying = false;
        bool computing = false;
        for (const Stream& stream : streams_) {
            flying = flying || stream.running == Running::operation;
            computing = computing || stream.running == Running::local;
        }
        const double at = now();
        double until = wake_s_;
        if (flying || computing) until = std::min(until, at + (computing ? kPollBesideKernels : kPoll));
        until = std::min(until, at + 0.1);  // to notice that nothing moves
        wake_s_ = kNever;
        wake_.wait_for(lock, std::chrono::duration<double>(std::max(until - at, 0.0)));
    }

    void check_stuck() {
        const double at = now();
        const bool local_work = std::any_of(streams_.begin(), streams_.end(), [](const Stream& stream) {
            return stream.running == Running::local || stream.running == Running::emulated;
        });
        if (local_work || wake_s_ < kNever) progress_s_ = at;
        if (at - progress_s_ < options_.timeout_s) return;
        std::vector<std::uint32_t> in_flight;
        std::vector<std::uint32_t> waiting;
        for (const Stream& stream : streams_) {
            if (stream.head() == kNoTask) continue;
            (stream.running == Running::operation ? in_flight : waiting).push_back(stream.head());
        }
        throw ExperimentError(tasks_.stuck(options_.timeout_s, left(), in_flight, waiting));
    }

    void start_workers() {
        for (std::size_t s = 0; s < streams_.size(); ++s) {
            if (streams_[s].local)
                workers_[s] = std::make_unique<StreamWorker>([this](std::uint32_t task) { execute(task); });
        }
    }

    /// On a stream's thread.
    void execute(std::uint32_t task) {
        take_memory(task);
        {
            const std::scoped_lock one_at_a_time(kernels_);
            step_.start_s[task] = now();
            if (work(task) == run_.pause) {
                std::this_thread::sleep_for(std::chrono::duration<double>(cost(task).duration_s));
            } else {
                local_->run(work(task));
            }
            step_.end_s[task] = now();
        }
        give_memory(task);
        if (awaited_[task]) wake_.notify_one();
    }

    const PlannedRun& run_;
    RankTasks tasks_;
    const ExecuteOptions& options_;
    Transport& transport_;
    LocalWork* local_;
    RankMemory& memory_;
    double begin_s_;

    std::vector<Stream> streams_;
    std::vector<bool> ended_;      ///< [task]
    std::vector<bool> awaited_;    ///< [task] by one of another stream
    std::vector<double> issue_s_;  ///< [task] when the host begins to issue it
    std::uint32_t issued_ = 0;     ///< tasks before it are issued
    std::size_t done_ = 0;
    double wake_s_ = kNever;  ///< the next end of an emulated task
    double progress_s_ = 0;   ///< when something last moved
    RankStep step_;

    std::mutex mutex_;  ///< for waiting only: a wake-up that is missed costs one look
    std::condition_variable wake_;
    std::mutex memory_mutex_;
    std::mutex kernels_;  ///< operands are shared: one kernel at a time
    /// [stream] The threads end before what they use.
    std::vector<std::unique_ptr<StreamWorker>> workers_;
};

}  // namespace

RankStep run_rank_step(const PlannedRun& run, sim::RankId rank, const ExecuteOptions& options,
                       Transport& transport, LocalWork* local, RankMemory& memory, double begin_s) {
    return RankRun(run, rank, options, transport, local, memory, begin_s).run();
}

}  // namespace orrery::profiler
