#include "report/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "report/table.hpp"
#include "report/text_width.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::size_t terminal_width() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kPageWidth;
    return size.ws_col;
}

void write_to_standard_error(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

std::string counted(std::uint64_t count) {
    return grouped(static_cast<std::int64_t>(count));
}

constexpr std::string_view kClearLine = "\r\x1b[K";

}  // namespace

Progress::Progress(std::string what, std::uint64_t total, ProgressOptions options)
    : what_(std::move(what)),
      total_(total),
      options_(std::move(options)),
      begun_(std::chrono::steady_clock::now()) {
    if (!options_.sink) {
        if (isatty(STDERR_FILENO) == 0) return;
        options_.sink = write_to_standard_error;
    }
    drawer_ = std::thread([this] { draw_until_stopped(); });
}

Progress::~Progress() {
    if (!drawer_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    drawer_.join();
}

void Progress::draw_until_stopped() {
    std::unique_lock lock(mutex_);
    bool drawn = false;
    auto pause = options_.delay;
    while (!wake_.wait_for(lock, pause, [this] { return stop_; })) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun_;
        const std::size_t width = options_.width > 0 ? options_.width : terminal_width();
        options_.sink(std::string(kClearLine) +
                      progress_line(what_, done(), total_, elapsed.count(), width - 1));
        drawn = true;
        pause = options_.interval;
    }
    if (drawn) options_.sink(kClearLine);
}

std::string progress_line(std::string_view what, std::uint64_t done, std::uint64_t total, double elapsed_s,
                          std::size_t width) {
    const double count = static_cast<double>(done);
    if (total == 0) {
        return wrap(fmt::format("{}  {}  {}", printable(what), counted(done), duration(elapsed_s)), width)
            .front();
    }
    const double fraction = std::min(1.0, count / static_cast<double>(total));
    const std::string before = fmt::format("{} {:3.0f}% ", printable(what), std::floor(fraction * 100));
    std::string after = fmt::format(" {}/{}", counted(done), counted(total));
    if (done > 0 && done < total) after += fmt::format("  {} left", duration(elapsed_s * (1 / fraction - 1)));
    const std::size_t used = display_width(before) + display_width(after);
    if (used + 4 > width) return wrap(before + after, width).front();
    constexpr std::size_t kLongest = 40;
    const std::size_t bar_width = std::min(kLongest, width - used);
    return before + padded(bar(fraction, bar_width), bar_width) + after;
}

}  // namespace orrery::report
