#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "schedules/evaluate.hpp"
#include "schedules/tessel.hpp"
#include "schedules/tessel_completion.hpp"

namespace orrery::schedules {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1e-9;
constexpr int kMostPlaced = 200'000;  ///< blocks placed for one period
constexpr std::size_t kStartsTried = 4;

/// One stage's forward or backward of a micro-batch.
struct Block {
    int device = 0;
    double time = 0;
    std::vector<int> needs;  ///< blocks, all before it
    int forward = -1;        ///< of a backward: its forward
    double size = 0;         ///< activations it takes (forward) or gives back (backward)
};

/// All blocks of one micro-batch (one each way), in the order of their dependencies: forwards by stage,
/// backwards from the last stage.
std::vector<Block> blocks_of(const Schedule& schedule, const ActionTimes& times) {
    const int stages = schedule.stages();
    const auto inputs = [&](int stage) {
        if (!schedule.stage_inputs.empty()) return schedule.stage_inputs[stage];
        return stage == 0 ? std::vector<int>{} : std::vector<int>{stage - 1};
    };
    std::vector<Block> blocks;
    for (const auto& placement : schedule.placement) {
        const int base = static_cast<int>(blocks.size());
        for (int stage = 0; stage < stages; ++stage) {
            const double work = schedule.stage_work.empty() ? 1 : schedule.stage_work[stage];
            Block block{placement[stage], work * times.forward, {}, -1, work / schedule.chunks};
            for (const int input : inputs(stage)) block.needs.push_back(base + input);
            blocks.push_back(std::move(block));
        }
        for (int stage = stages - 1; stage >= 0; --stage) {
            Block block = blocks[base + stage];
            const double work = schedule.stage_work.empty() ? 1 : schedule.stage_work[stage];
            block.time = work * (times.backward_input + times.backward_weight);
            block.forward = base + stage;
            block.needs = {base + stage};
            for (int user = stage + 1; user < stages; ++user) {
                const auto of_user = inputs(user);
                if (std::find(of_user.begin(), of_user.end(), stage) != of_user.end())
                    block.needs.push_back(base + 2 * stages - 1 - user);
            }
            blocks.push_back(std::move(block));
        }
    }
    return blocks;
}

class RepetendSearch {
  public:
    RepetendSearch(const std::vector<Block>& blocks, int devices, double communication, double limit)
        : blocks_(blocks), communication_(communication), limit_(limit), on_device_(devices) {
        for (const Block& block : blocks) through_ += block.time + communication;
    }

    double shortest_period(int devices) const {
        std::vector<double> work(static_cast<std::size_t>(devices), 0);
        for (const Block& block : blocks_) work[block.device] += block.time;
        return *std::max_element(work.begin(), work.end());
    }
    double longest_period() const { return through_; }

    /// Starts for that period, the micro-batch through as early as the search finds; empty: none found.
    std::vector<double> search(double period) {
        period_ = period;
        start_.assign(blocks_.size(), 0);
        for (auto& placed : on_device_) placed.clear();
        best_.clear();
        best_end_ = kNever;
        placed_ = 0;
        place(0, 0);
        return best_;
    }

  private:
    void place(std::size_t index, double end) {
        if (end >= best_end_ * (1 - kRounding)) return;
        if (index == blocks_.size()) {
            best_ = start_;
            best_end_ = end;
            return;
        }
        const Block& block = blocks_[index];
        double ready = 0;
        for (const int need : block.needs) {
            const bool elsewhere = blocks_[need].device != block.device;
            ready = std::max(ready, start_[need] + blocks_[need].time + (elsewhere ? communication_ : 0));
        }
        auto& placed = on_device_[block.device];
        for (const double start : free_starts(block, ready)) {
            if (++placed_ > kMostPlaced) return;
            start_[index] = start;
            placed.push_back(static_cast<int>(index));
            if (rest_has_room(block.device) && fits(block.device))
                place(index + 1, std::max(end, start + block.time));
            placed.pop_back();
        }
    }

    /// The time from one start to the next of the other, going round.
    double round(double from, double to) const {
        const double apart = std::fmod(to - from, period_);
        const double positive = apart < 0 ? apart + period_ : apart;
        return period_ - positive < kRounding * period_ ? 0 : positive;
    }
    bool free_at(const Block& block, double start) const {
        for (const int other : on_device_[block.device]) {
            if (block.time <= 0 || blocks_[other].time <= 0) continue;
            const double slack = kRounding * period_;
            if (round(start_[other], start) < blocks_[other].time - slack) return false;
            if (round(start, start_[other]) < block.time - slack) return false;
        }
        return true;
    }
    /// Within one period from `ready`: at once, or right behind or before what is placed already.
    std::vector<double> free_starts(const Block& block, double ready) const {
        std::vector<double> candidates{ready};
        for (const int other : on_device_[block.device]) {
            const double behind = ready + round(ready, start_[other] + blocks_[other].time);
            const double before = ready + round(ready, start_[other] - block.time);
            candidates.push_back(behind);
            candidates.push_back(before);
        }
        std::sort(candidates.begin(), candidates.end());
        std::vector<double> starts;
        for (const double start : candidates) {
            if (!starts.empty() && start - starts.back() < kRounding * period_) continue;
            if (free_at(block, start)) starts.push_back(start);
            if (starts.size() == kStartsTried) break;
        }
        return starts;
    }

    /// Could the device's other blocks lie in the gaps that are left? Gaps shorter than all of them are lost,
    /// and the longest of them need gaps that hold them.
    bool rest_has_room(int device) const {
        double shortest = kNever;
        double longest = 0;
        double rest = 0;
        int longest_left = 0;
        const auto& placed = on_device_[device];
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            if (blocks_[i].device != device || blocks_[i].time <= 0) continue;
            if (std::find(placed.begin(), placed.end(), static_cast<int>(i)) != placed.end()) continue;
            rest += blocks_[i].time;
            shortest = std::min(shortest, blocks_[i].time);
            if (blocks_[i].time > longest * (1 + kRounding)) longest_left = 0;
            longest = std::max(longest, blocks_[i].time);
            if (blocks_[i].time > longest * (1 - kRounding)) ++longest_left;
        }
        if (rest <= 0) return true;
        const double slack = kRounding * period_;
        double usable = 0;
        int holds = 0;
        for (const double gap : gaps(device)) {
            if (gap >= shortest - slack) usable += gap;
            holds += static_cast<int>((gap + slack) / longest);
        }
        return usable >= rest - slack && holds >= longest_left;
    }
    /// The free stretches of a period on that device.
    std::vector<double> gaps(int device) const {
        std::vector<std::pair<double, double>> busy;
        for (const int at : on_device_[device])
            if (blocks_[at].time > 0) busy.emplace_back(round(0, start_[at]), blocks_[at].time);
        if (busy.empty()) return {period_};
        std::sort(busy.begin(), busy.end());
        std::vector<double> gaps;
        for (std::size_t i = 0; i < busy.size(); ++i) {
            const double next = i + 1 < busy.size() ? busy[i + 1].first : busy.front().first + period_;
            gaps.push_back(next - busy[i].first - busy[i].second);
        }
        return gaps;
    }

    /// Are the activations within the limit, those without a backward yet alive for the time known?
    bool fits(int device) const {
        const auto& placed = on_device_[device];
        for (const int at : placed) {
            if (blocks_[at].forward >= 0) continue;
            double alive = 0;
            for (const int other : placed) {
                if (blocks_[other].forward >= 0) continue;
                const double until = end_of_life(device, other);
                // Micro-batches k with start + kT <= t < until + kT, t right after `at` starts.
                const double after_start = (start_[at] - start_[other]) / period_;
                const double before_end = (start_[at] - until) / period_;
                alive += blocks_[other].size *
                         (std::floor(after_start + kRounding) - std::floor(before_end + kRounding));
            }
            if (alive > limit_ * (1 + kRounding)) return false;
        }
        return true;
    }
    double end_of_life(int device, int forward) const {
        for (const int other : on_device_[device])
            if (blocks_[other].forward == forward) return start_[other] + blocks_[other].time;
        return start_[forward] + blocks_[forward].time;
    }

    const std::vector<Block>& blocks_;
    double communication_, limit_;
    double through_ = 0;
    double period_ = 0;
    std::vector<std::vector<int>> on_device_;  ///< blocks placed
    std::vector<double> start_, best_;
    double best_end_ = kNever;
    int placed_ = 0;
};

/// Repeats the starts for all micro-batches; every device's order follows.
void repeat(Schedule& schedule, const std::vector<double>& starts, double period) {
    struct Timed {
        double start = 0;
        Action action;
    };
    const int stages = schedule.stages();
    const int ways = static_cast<int>(schedule.placement.size());
    std::vector<std::vector<Timed>> timed(static_cast<std::size_t>(schedule.devices));
    for (int k = 0; k < schedule.micro_batches; ++k) {
        const int way = k % ways;
        for (int stage = 0; stage < stages; ++stage) {
            const std::size_t base = std::size_t{2} * way * stages;
            const int repetition = k / ways;
            const double shift = period * repetition;
            const auto put = [&](ActionKind kind, std::size_t block) {
                Action action{kind, k, stage};
                action.direction = static_cast<std::int8_t>(way);
                timed[schedule.placement[way][stage]].push_back({starts[block] + shift, action});
            };
            put(ActionKind::forward, base + stage);
            put(ActionKind::backward, base + std::size_t{2} * stages - 1 - stage);
        }
    }
    for (int device = 0; device < schedule.devices; ++device) {
        std::stable_sort(timed[device].begin(), timed[device].end(),
                         [](const Timed& a, const Timed& b) { return a.start < b.start; });
        schedule.orders[device].clear();
        for (const Timed& each : timed[device]) schedule.orders[device].push_back(each.action);
    }
}

}  // namespace

Repetend tessel_search(Schedule& schedule, const PipelineShape& shape) {
    const auto began = std::chrono::steady_clock::now();
    const auto spent = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    const double seconds = shape.time_limit.value_or(kNever);
    const ActionTimes times = action_times(shape);
    const std::vector<Block> blocks = blocks_of(schedule, times);
    RepetendSearch search(blocks, schedule.devices, times.communication, shape.memory_limit.value_or(kNever));
    Repetend found;
    found.shortest_period = search.shortest_period(schedule.devices);
    // Periods from the shortest on, a sixteenth of it apart; the whole way of a micro-batch always works.
    std::vector<double> starts;
    for (double period = found.shortest_period; starts.empty();) {
        const bool last = period >= search.longest_period() || spent() > seconds;
        if (last) period = std::max(period, search.longest_period());
        starts = search.search(period);
        found.period = period;
        if (starts.empty() && last)
            throw InputError({}, "memory-limit",
                             fmt::format("not even one micro-batch at a time fits into {:.4g} activations",
                                         shape.memory_limit.value_or(kNever)));
        if (shape.progress)
            shape.progress(fmt::format("period {:.6g}, {} repetend", period, starts.empty() ? "no" : "a"));
        period += found.shortest_period / 16;
    }
    const std::ptrdiff_t stages = schedule.stages();
    for (std::size_t way = 0; way < schedule.placement.size(); ++way) {
        const auto begin = starts.begin() + 2 * static_cast<std::ptrdiff_t>(way) * stages;
        found.forward.emplace_back(begin, begin + stages);
        found.backward.emplace_back(std::make_reverse_iterator(begin + 2 * stages),
                                    std::make_reverse_iterator(begin + stages));
    }
    repeat(schedule, starts, found.period);
    complete(schedule, times,
             {.memory_limit = shape.memory_limit.value_or(kNever),
              .seconds = seconds - spent(),
              .depth = static_cast<int>(std::ceil((*std::max_element(starts.begin(), starts.end())) /
                                                  std::max(found.period, 1e-300))) +
                       1,
              .progress = shape.progress});
    return found;
}

}  // namespace orrery::schedules
