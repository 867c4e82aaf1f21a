// schedules/bpipe.cpp
//
// BPipe (Kim et al. 2023, "Memory-Balanced Pipeline Parallelism"): 1F1B, whose stage s holds p-s activations
// and whose stage p-1-s holds s+1. Stages s and p-1-s are paired; whichever would hold more than the share
// ceil((p+2)/2) sends its newest activation to the partner (evict) and has it back before the backward
// (load), both beside the computation. Peak: at most that share on every device while transfers keep up.
#include <algorithm>
#include <vector>

#include "schedules/generators.hpp"
#include "schedules/one_f_one_b.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// Adds evictions and loads to one stage's 1F1B order so that at most `share` activations are on the device.
class Balancer {
  public:
    Balancer(const std::vector<Action>& order, int share) : order_(order), share_(share) {}

    std::vector<Action> balance() {
        for (std::size_t i = 0; i < order_.size(); ++i) {
            const Action& action = order_[i];
            if (action.kind == ActionKind::forward) {
                resident_.push_back(action.micro_batch);
            } else {
                bring_back(action);
                resident_.erase(std::find(resident_.begin(), resident_.end(), action.micro_batch));
            }
            balanced_.push_back(action);
            if (action.kind == ActionKind::forward) make_room(i);
            if (action.kind == ActionKind::backward) prefetch(i);
        }
        return std::move(balanced_);
    }

  private:
    int alive() const { return static_cast<int>(resident_.size()); }
    bool away(int k) const { return std::find(evicted_.begin(), evicted_.end(), k) != evicted_.end(); }

    /// After a forward: would the device overflow at its next forward, the next backward's activation and
    /// the one to be fetched after it counted? Then the newest goes, while a backward runs beside.
    void make_room(std::size_t i) {
        if (i + 1 >= order_.size()) return;
        const Action& next = order_[i + 1];
        int at_next_forward = alive() + 1;
        if (next.kind == ActionKind::backward) {
            const bool forward_follows = i + 2 < order_.size() && order_[i + 2].kind == ActionKind::forward;
            if (!forward_follows) return;
            at_next_forward += -1 + (away(next.micro_batch + 1) ? 1 : 0);
        }
        if (at_next_forward > share_) evict(order_[i]);
    }
    void evict(Action action) {
        action.kind = ActionKind::evict;
        balanced_.push_back(action);
        resident_.pop_back();
        evicted_.push_back(action.micro_batch);
    }
    /// After a backward: the next one's activation, if it is away and there is room.
    void prefetch(std::size_t i) {
        for (std::size_t j = i + 1; j < order_.size(); ++j)
            if (order_[j].kind == ActionKind::backward) {
                if (alive() < share_) bring_back(order_[j]);
                return;
            }
    }
    void bring_back(Action action) {
        if (!away(action.micro_batch)) return;
        evicted_.erase(std::find(evicted_.begin(), evicted_.end(), action.micro_batch));
        resident_.insert(resident_.begin(), action.micro_batch);
        action.kind = ActionKind::load;
        balanced_.push_back(action);
    }

    const std::vector<Action>& order_;
    int share_;
    std::vector<int> resident_;  ///< activations on the device, the newest last
    std::vector<int> evicted_;
    std::vector<Action> balanced_;
};

}  // namespace

Schedule bpipe(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("bpipe", shape);
    require_chunks("bpipe", shape, 1);
    require_whole_sequences("bpipe", shape);
    const int p = shape.devices;
    const int share = (p + 3) / 2;  // ceil((p+2)/2)
    for (int stage = 0; stage < p; ++stage) {
        schedule.eviction_partner.push_back(p - 1 - stage);
        std::vector<Action> order;
        append_one_f_one_b(order, stage, shape.micro_batches, p - stage - 1);
        schedule.orders[stage] = Balancer(order, share).balance();
    }
    return schedule;
}

}  // namespace orrery::schedules
