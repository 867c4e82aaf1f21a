#include "schedules/terapipe_slices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace orrery::schedules {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();
constexpr int kMostSteps = 512;

void require(const char* key, bool good, const std::string& message) {
    if (!good) throw InputError({}, key, message);
}

class SliceSearch {
  public:
    SliceSearch(int tokens, int batch, int depth, int step, const SliceTime& time)
        : steps_(tokens / step), batch_(batch), depth_(depth), step_(step) {
        times_.resize(static_cast<std::size_t>(batch) * (steps_ + 1) * (steps_ + 1), kImpossible);
        for (int sequences = 1; sequences <= batch; ++sequences)
            for (int length = 1; length <= steps_; ++length)
                for (int before = 0; before + length <= steps_; ++before) {
                    const double value = time(sequences, length * step, before * step);
                    at(sequences, length, before) = value;
                    bounds_.push_back(value);
                }
        std::sort(bounds_.begin(), bounds_.end());
        bounds_.erase(std::unique(bounds_.begin(), bounds_.end()), bounds_.end());
    }

    SlicePlan search() {
        SlicePlan best{kImpossible, {}};
        for (const double bound : bounds_) {
            if ((depth_ - 1) * bound >= best.time) break;
            const double sum = smallest_sum(bound);
            if (sum + (depth_ - 1) * bound < best.time) best = {sum + (depth_ - 1) * bound, plan()};
        }
        return best;
    }

  private:
    double& at(int sequences, int length, int before) {
        return times_[(static_cast<std::size_t>(sequences - 1) * (steps_ + 1) + length) * (steps_ + 1) +
                      before];
    }

    /// The smallest sum of slice times with every slice within the bound.
    double smallest_sum(double bound) {
        group_sum_.assign(static_cast<std::size_t>(batch_) + 1, kImpossible);
        last_slice_.assign(static_cast<std::size_t>(batch_) + 1, {});
        for (int sequences = 1; sequences <= batch_; ++sequences) cut_tokens(sequences, bound);
        std::vector<double> sum(static_cast<std::size_t>(batch_) + 1, kImpossible);
        sum[0] = 0;
        last_group_.assign(static_cast<std::size_t>(batch_) + 1, 0);
        for (int total = 1; total <= batch_; ++total)
            for (int group = 1; group <= total; ++group)
                if (sum[total - group] + group_sum_[group] < sum[total]) {
                    sum[total] = sum[total - group] + group_sum_[group];
                    last_group_[total] = group;
                }
        return sum[batch_];
    }

    void cut_tokens(int sequences, double bound) {
        std::vector<double> sum(static_cast<std::size_t>(steps_) + 1, kImpossible);
        std::vector<int>& last = last_slice_[sequences];
        last.assign(static_cast<std::size_t>(steps_) + 1, 0);
        sum[0] = 0;
        for (int end = 1; end <= steps_; ++end)
            for (int length = 1; length <= end; ++length) {
                const double time = at(sequences, length, end - length);
                if (time > bound || sum[end - length] + time >= sum[end]) continue;
                sum[end] = sum[end - length] + time;
                last[end] = length;
            }
        group_sum_[sequences] = sum[steps_];
    }

    std::vector<SliceGroup> plan() const {
        std::vector<SliceGroup> groups;
        for (int left = batch_; left > 0; left -= last_group_[left]) {
            SliceGroup group{last_group_[left], {}};
            for (int end = steps_; end > 0; end -= last_slice_[group.sequences][end])
                group.lengths.push_back(step_ * last_slice_[group.sequences][end]);
            std::reverse(group.lengths.begin(), group.lengths.end());
            groups.push_back(std::move(group));
        }
        return groups;
    }

    int steps_, batch_, depth_, step_;
    std::vector<double> times_;   ///< [sequences][length][before]
    std::vector<double> bounds_;  ///< all slice times, ascending
    std::vector<double> group_sum_;
    std::vector<std::vector<int>> last_slice_;  ///< [sequences][end]
    std::vector<int> last_group_;
};

}  // namespace

SlicePlan best_slices(int tokens, int batch, int depth, int step, const SliceTime& time) {
    require("tokens", tokens >= 1, fmt::format("must be at least 1, not {}", tokens));
    require("batch", batch >= 1, fmt::format("must be at least 1, not {}", batch));
    require("depth", depth >= 1, fmt::format("must be at least 1, not {}", depth));
    require("step", step >= 1 && tokens % step == 0,
            fmt::format("must divide the {} tokens, not {}", tokens, step));
    require("step", tokens / step <= kMostSteps,
            fmt::format("must leave at most {} steps, not {}", kMostSteps, tokens / step));
    return SliceSearch(tokens, batch, depth, step, time).search();
}

}  // namespace orrery::schedules
