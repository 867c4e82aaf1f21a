// profiler/execute/stream_worker.hpp
//
// The thread that executes one stream's kernels and copies. It is handed runs of tasks that need nothing else
// than each other, so that between two kernels of a run no thread waits for the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace orrery::profiler {

class StreamWorker {
  public:
    /// `execute(task)` is called on the thread for each task in turn; what it throws comes out of done().
    explicit StreamWorker(std::function<void(std::uint32_t)> execute);
    ~StreamWorker();  ///< waits for the kernel that runs
    StreamWorker(const StreamWorker&) = delete;
    StreamWorker& operator=(const StreamWorker&) = delete;

    /// Precondition: all tasks given before are done.
    void give(std::vector<std::uint32_t> tasks);
    /// How many of the tasks given last are done. What they wrote is visible then.
    [[nodiscard]] std::size_t done() const;

  private:
    void work();

    std::function<void(std::uint32_t)> execute_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::uint32_t> tasks_;
    std::atomic<std::size_t> done_ = 0;
    std::atomic<bool> stopping_ = false;
    std::exception_ptr failure_;  ///< guarded by mutex_
    std::atomic<bool> failed_ = false;
    std::thread thread_;
};

}  // namespace orrery::profiler
