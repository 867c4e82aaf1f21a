#include "parallel/pipeline/transfers.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "parallel/pipeline/receive_plan.hpp"

namespace orrery::parallel {

using schedules::Action;
using schedules::ActionKind;
using schedules::Schedule;

/// Fills a Transfers from a schedule's orders.
class TransferCollection {
  public:
    TransferCollection(const Schedule& schedule, const StageGraph& graph, Transfers& transfers)
        : schedule_(schedule), graph_(graph), t_(transfers) {
        edge_begin_.push_back(0);
        for (int stage = 0; stage < graph.stages(); ++stage)
            edge_begin_.push_back(edge_begin_.back() + graph.inputs(stage).size());
        const std::size_t keys =
            2 * edge_begin_.back() * static_cast<std::size_t>(schedule.micro_batches * schedule.slices);
        place_.assign(keys, Place{kNone, 0});
    }

    void collect() {
        for (int device = 0; device < schedule_.devices; ++device) collect_sends(device);
        for (int device = 0; device < schedule_.devices; ++device) collect_inputs(device);
    }

  private:
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

    const std::vector<Action>& order(int device) const {
        return schedule_.orders[static_cast<std::size_t>(device)];
    }

    /// Which message: along the edge upper -> lower of the graph of stages, forwards or backwards.
    std::size_t key(const Action& action, int other) const {
        const bool forward = is_forward(action.kind);
        const bool is_lower = other < action.stage;  // stages precede those that read them
        const int upper = is_lower ? other : action.stage;
        const int lower = is_lower ? action.stage : other;
        const std::vector<int>& inputs = graph_.inputs(lower);
        const auto rank = std::find(inputs.begin(), inputs.end(), upper) - inputs.begin();
        const std::size_t edge =
            edge_begin_[static_cast<std::size_t>(lower)] + static_cast<std::size_t>(rank);
        const auto slices = static_cast<std::size_t>(schedule_.slices);
        const auto micro_batches = static_cast<std::size_t>(schedule_.micro_batches);
        return ((edge * 2 + (forward ? 0 : 1)) * micro_batches +
                static_cast<std::size_t>(action.micro_batch)) *
                   slices +
               static_cast<std::size_t>(action.slice);
    }

    std::uint32_t channel_of(const Channel& channel) {
        const auto [it, fresh] = index_.try_emplace(channel, static_cast<std::uint32_t>(t_.channels_.size()));
        if (fresh) {
            t_.channels_.push_back(channel);
            t_.messages_.emplace_back();
        }
        return it->second;
    }

    void collect_sends(int device) {
        PlacesByPosition& sent = t_.sent_.emplace_back();
        for (const Action& action : order(device)) {
            sent.begin.push_back(static_cast<std::uint32_t>(sent.places.size()));
            for (const int consumer : graph_.consumers(action)) {
                const int to = graph_.holder(action.direction, consumer);
                if (to == device) continue;
                const std::uint32_t channel =
                    channel_of({device, to, 2 * action.direction + (is_forward(action.kind) ? 0 : 1)});
                std::vector<Message>& list = t_.messages_[channel];
                const Place place{channel, static_cast<std::uint32_t>(list.size())};
                list.push_back({action.micro_batch, action.stage, consumer, action.slice});
                place_[key(action, consumer)] = place;
                sent.places.push_back(place);
            }
        }
        sent.begin.push_back(static_cast<std::uint32_t>(sent.places.size()));
    }

    void collect_inputs(int device) {
        PlacesByPosition& awaited = t_.awaited_.emplace_back();
        for (const Action& action : order(device)) {
            awaited.begin.push_back(static_cast<std::uint32_t>(awaited.places.size()));
            for (const int producer : graph_.producers(action)) {
                if (graph_.holder(action.direction, producer) == device) continue;
                Place& place = place_[key(action, producer)];
                if (place.channel == kNone) {
                    if (action.kind != ActionKind::recompute && recomputed_.contains(key(action, producer)))
                        continue;  // the recomputation has waited for it
                    throw ExperimentError("schedule " + schedule_.name + ": a receive has no send");
                }
                awaited.places.push_back(place);
                if (action.kind == ActionKind::recompute) recomputed_.insert(key(action, producer));
                place.channel = kNone;
            }
        }
        awaited.begin.push_back(static_cast<std::uint32_t>(awaited.places.size()));
    }

    const Schedule& schedule_;
    const StageGraph& graph_;
    Transfers& t_;
    std::vector<std::size_t> edge_begin_;  ///< [stage] first of the edges that end there
    std::vector<Place> place_;             ///< of messages sent and not yet awaited
    std::set<std::size_t> recomputed_;     ///< messages that a recomputation has waited for
    std::map<Channel, std::uint32_t> index_;
};

Transfers::Transfers(const Schedule& schedule, const StageGraph& graph, bool sends_block) {
    TransferCollection(schedule, graph, *this).collect();
    posted_ = plan_receives(schedule, *this, sends_block);
}

std::span<const Place> Transfers::posted(int device, std::size_t position) const {
    return posted_[static_cast<std::size_t>(device)].at(position);
}
std::span<const Place> Transfers::awaited(int device, std::size_t position) const {
    return awaited_[static_cast<std::size_t>(device)].at(position);
}
std::span<const Place> Transfers::sent(int device, std::size_t position) const {
    return sent_[static_cast<std::size_t>(device)].at(position);
}

}  // namespace orrery::parallel
