#include "profiler/execute/stream_worker.hpp"

#include <utility>

namespace orrery::profiler {

StreamWorker::StreamWorker(std::function<void(std::uint32_t)> execute)
    : execute_(std::move(execute)), thread_([this] { work(); }) {}

StreamWorker::~StreamWorker() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void StreamWorker::give(std::vector<std::uint32_t> tasks) {
    {
        const std::scoped_lock lock(mutex_);
        tasks_ = std::move(tasks);
        done_ = 0;
    }
    wake_.notify_one();
}

std::size_t StreamWorker::done() const {
    if (failed_) {
        const std::scoped_lock lock(mutex_);
        std::rethrow_exception(failure_);
    }
    return done_.load(std::memory_order_acquire);
}

void StreamWorker::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || done_ < tasks_.size(); });
        if (stopping_) return;
        const std::vector<std::uint32_t> tasks = tasks_;
        lock.unlock();
        for (std::size_t i = 0; i < tasks.size() && !stopping_ && !failed_; ++i) {
            try {
                execute_(tasks[i]);
                done_.store(i + 1, std::memory_order_release);
            } catch (...) {
                const std::scoped_lock guard(mutex_);
                failure_ = std::current_exception();
                failed_ = true;
            }
        }
        lock.lock();
        if (failed_) return;
    }
}

}  // namespace orrery::profiler
