// report/progress.hpp
//
// A progress bar on standard error. It shows only on a terminal and only when the work takes longer than a
// second; `advance` costs one relaxed atomic addition, so hot loops on many threads may call it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace orrery::report {

struct ProgressOptions {
    /// Where the bar goes; empty: standard error if it is a terminal, else nowhere.
    std::function<void(std::string_view)> sink;
    std::chrono::milliseconds delay{1000};    ///< nothing is drawn before
    std::chrono::milliseconds interval{100};  ///< between two drawings
    std::size_t width = 0;                    ///< columns; 0: the terminal's
};

class Progress {
  public:
    /// `total` 0: not known; then the count alone is shown.
    Progress(std::string what, std::uint64_t total, ProgressOptions options = {});
    /// Removes the bar.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void advance(std::uint64_t steps = 1) noexcept { done_.fetch_add(steps, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t done() const noexcept { return done_.load(std::memory_order_relaxed); }

  private:
    void draw_until_stopped();

    std::string what_;
    std::uint64_t total_;
    ProgressOptions options_;
    std::atomic<std::uint64_t> done_{0};
    std::chrono::steady_clock::time_point begun_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    std::thread drawer_;  ///< not started where nothing would be drawn
};

/// The bar's text, at most `width` columns: "runs  42% ████▌      42/100  3.2 s left". `total` as above.
std::string progress_line(std::string_view what, std::uint64_t done, std::uint64_t total, double elapsed_s,
                          std::size_t width);

}  // namespace orrery::report
