// schedules/varuna.cpp
//
// Varuna (Athlur et al. 2022, section 4): activations are dropped and recomputed just before their backward.
// A stage takes, in this order, a backward, a recomputation, a forward; a recomputation becomes ready when
// the next stage has run the first half of its backward, so that it ends about when the gradient arrives. The
// last stage keeps its activations and alternates forward and backward. The order comes from replaying that
// rule in quanta (F and recomputation one, a backward two), as Varuna's own generator does
// (microsoft/varuna, tools/simulator). What a stage keeps per micro-batch in flight is its input alone.
#include <array>
#include <deque>
#include <optional>

#include "schedules/generators.hpp"
#include "schedules/placement.hpp"

namespace orrery::schedules {
namespace {

/// Work in the order of its urgency. A backward is begun in one quantum and finished in another.
enum Work : int { kFinishBackward, kBeginBackward, kRecompute, kForward, kKinds };

struct Choice {
    Work work = kForward;
    int micro_batch = 0;
};

class Quanta {
  public:
    explicit Quanta(Schedule& schedule)
        : schedule_(schedule), last_(schedule.devices - 1), queues_(schedule.orders.size()) {
        for (int k = 0; k < schedule.micro_batches; ++k) queues_[0][kForward].push_back(k);
    }

    void run() {
        std::vector<std::optional<Choice>> chosen(queues_.size());
        bool any = true;
        while (any) {
            any = false;
            for (int stage = 0; stage <= last_; ++stage) {
                chosen[stage] = choose(stage);
                any = any || chosen[stage];
            }
            for (int stage = 0; stage <= last_; ++stage)
                if (chosen[stage]) finish(stage, *chosen[stage]);
        }
    }

  private:
    std::optional<Choice> choose(int stage) {
        static constexpr std::array kActions = {ActionKind::backward, ActionKind::backward,
                                                ActionKind::recompute, ActionKind::forward};
        for (int work = 0; work < kKinds; ++work) {
            auto& queue = queues_[stage][work];
            if (queue.empty()) continue;
            const Choice choice{static_cast<Work>(work), queue.front()};
            queue.pop_front();
            if (work != kFinishBackward)
                schedule_.orders[stage].push_back({kActions[work], choice.micro_batch, stage});
            return choice;
        }
        return std::nullopt;
    }

    /// What the work of this quantum makes ready for the next one.
    void finish(int stage, Choice choice) {
        const int k = choice.micro_batch;
        switch (choice.work) {
            case kForward:
                if (stage < last_)
                    queues_[stage + 1][kForward].push_back(k);
                else
                    queues_[stage][kBeginBackward].push_back(k);
                return;
            case kRecompute:
                queues_[stage][kBeginBackward].push_back(k);
                return;
            case kBeginBackward:
                queues_[stage][kFinishBackward].push_back(k);
                if (stage > 0) queues_[stage - 1][kRecompute].push_back(k);
                return;
            default:
                return;
        }
    }

    Schedule& schedule_;
    int last_;
    std::vector<std::array<std::deque<int>, kKinds>> queues_;
};

}  // namespace

Schedule varuna(const PipelineShape& shape) {
    Schedule schedule = empty_schedule("varuna", shape);
    require_chunks("varuna", shape, 1);
    require_whole_sequences("varuna", shape);
    Quanta(schedule).run();
    return schedule;
}

}  // namespace orrery::schedules
