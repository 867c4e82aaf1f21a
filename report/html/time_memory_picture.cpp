#include "report/html/time_memory_picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/html/axis.hpp"
#include "report/html/svg.hpp"
#include "report/pareto.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

constexpr double kWidth = 1100, kHeight = 520;
constexpr double kLeft = 90, kRight = 40, kTop = 20, kBottom = 50;
constexpr double kRadius = 5;
constexpr double kLetter = 6.5;  ///< width of a letter of a label, about

struct Label {
    double x = 0, y = 0, width = 0;
};

bool overlap(const Label& a, const Label& b) {
    constexpr double kLine = 12;
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + kLine && b.y < a.y + kLine;
}

class Picture {
  public:
    explicit Picture(std::span<const Result> results)
        : results_(results),
          svg_(kWidth, kHeight, "Step time against peak memory"),
          time_(low(false), high(false), kLeft, kWidth - kRight),
          memory_(low(true), high(true), kHeight - kBottom, kTop) {}

    std::string draw() {
        axes();
        capacity();
        front();
        for (std::size_t i = 0; i < results_.size(); ++i) point(i);
        for (const std::size_t i : by_time()) label(i);
        return svg_.str();
    }

  private:
    double value(const Result& result, bool memory) const {
        return memory ? result.memory.peak_bytes : result.step_time_s;
    }
    double least(bool memory) const {
        double least = value(results_.front(), memory);
        for (const Result& result : results_) least = std::min(least, value(result, memory));
        return least;
    }
    double most(bool memory) const {
        double most = value(results_.front(), memory);
        for (const Result& result : results_) most = std::max(most, value(result, memory));
        return most;
    }
    double margin(bool memory) const {
        const double range = most(memory) - least(memory);
        return range > 0 ? 0.12 * range : 0.5 * most(memory);
    }
    double low(bool memory) const { return std::max(0.0, least(memory) - margin(memory)); }
    double high(bool memory) const { return most(memory) + margin(memory) * (memory ? 1 : 1.6); }

    double x(const Result& result) const { return time_(result.step_time_s); }
    double y(const Result& result) const { return memory_(result.memory.peak_bytes); }

    std::vector<std::size_t> by_time() const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < results_.size(); ++i) order.push_back(i);
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return results_[a].step_time_s < results_[b].step_time_s;
        });
        return order;
    }

    void axes() {
        for (const double tick : linear_ticks(high(false), 30))
            if (tick >= low(false)) {
                svg_.line(time_(tick), kTop, time_(tick), kHeight - kBottom, "grid");
                svg_.text(time_(tick), kHeight - kBottom + 16, duration(tick), Anchor::middle, "faint");
            }
        for (const double tick : linear_ticks(high(true), 12, true))
            if (tick >= low(true)) {
                svg_.line(kLeft, memory_(tick), kWidth - kRight, memory_(tick), "grid");
                svg_.text(kLeft - 6, memory_(tick) + 4, bytes(tick), Anchor::end, "faint");
            }
        svg_.text((kLeft + kWidth) / 2, kHeight - 8, "step time", Anchor::middle);
        svg_.text(kLeft, kTop - 6, "peak memory of the fullest rank", Anchor::start);
    }
    void capacity() {
        const double bytes_of_gpu = results_.front().memory.capacity_bytes;
        for (const Result& result : results_)
            if (result.memory.capacity_bytes != bytes_of_gpu) return;
        if (bytes_of_gpu < low(true) || bytes_of_gpu > high(true)) return;
        svg_.line(kLeft, memory_(bytes_of_gpu), kWidth - kRight, memory_(bytes_of_gpu), "limit");
        svg_.text(kWidth - kRight, memory_(bytes_of_gpu) - 4, "memory of a GPU", Anchor::end, "faint");
    }
    void front() {
        const std::vector<bool> on_front = time_memory_front(results_);
        const Result* before = nullptr;
        for (const std::size_t i : by_time()) {
            if (!on_front[i]) continue;
            if (before != nullptr) {
                svg_.line(x(*before), y(*before), x(results_[i]), y(*before), "limit");
                svg_.line(x(results_[i]), y(*before), x(results_[i]), y(results_[i]), "limit");
            }
            before = &results_[i];
        }
        on_front_ = on_front;
    }
    void point(std::size_t i) {
        const Result& result = results_[i];
        const std::string colour = !result.memory.fits ? "alarm" : on_front_[i] ? "backward" : "forward";
        svg_.circle(x(result), y(result), on_front_[i] ? kRadius + 1 : kRadius, colour,
                    fmt::format("{}: {}, {}{}", result.experiment, duration(result.step_time_s),
                                bytes(result.memory.peak_bytes), result.memory.fits ? "" : ", does not fit"));
    }
    /// Beside its point, above or below where another label is in the way; left out where none is free.
    void label(std::size_t i) {
        const Result& result = results_[i];
        const double width = kLetter * static_cast<double>(result.experiment.size());
        for (const double down : {4.0, -8.0, 16.0, -20.0, 28.0, -32.0, 40.0}) {
            const Label wanted{x(result) + 9, y(result) + down, width};
            if (wanted.y < kTop + 8 || wanted.y > kHeight - kBottom - 2 || wanted.x + width > kWidth)
                continue;
            if (std::any_of(labels_.begin(), labels_.end(),
                            [&](const Label& other) { return overlap(wanted, other); }))
                continue;
            labels_.push_back(wanted);
            svg_.text(wanted.x, wanted.y, result.experiment, Anchor::start, "faint");
            return;
        }
    }

    std::span<const Result> results_;
    Svg svg_;
    Axis time_, memory_;
    std::vector<bool> on_front_;
    std::vector<Label> labels_;
};

}  // namespace

std::string time_memory_picture(std::span<const Result> results) {
    return Picture(results).draw();
}

}  // namespace orrery::report
