#include "schedules/activation_front.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace orrery::schedules {
namespace {

/// Sums of the same layers in another order differ by rounding; they count as equal.
bool no_more(double a, double b) {
    return a <= b + 1e-12 * (a + b);
}

bool beats(const ActivationWay& a, const ActivationWay& b) {
    return no_more(a.kept, b.kept) && no_more(a.extra, b.extra) && no_more(a.peer, b.peer) &&
           no_more(a.host, b.host);
}

}  // namespace

ActivationFront::ActivationFront() {
    fronts_.push_back({ActivationWay{}});
}

void ActivationFront::add(const LayerCost& layer, bool peer_link, bool host_link) {
    std::vector<ActivationWay> all;
    const std::vector<ActivationWay>& before = fronts_.back();
    for (std::size_t i = 0; i < before.size(); ++i)
        for (std::size_t c = 0; c < layer.choices.size(); ++c) {
            const ActivationChoice& choice = layer.choices[c];
            if ((choice.peer_bytes > 0 && !peer_link) || (choice.host_bytes > 0 && !host_link)) continue;
            all.push_back({before[i].kept + choice.kept_bytes, before[i].extra + choice.extra_time,
                           before[i].peer + choice.peer_bytes, before[i].host + choice.host_bytes, i,
                           static_cast<int>(c)});
        }
    std::stable_sort(all.begin(), all.end(), [](const ActivationWay& a, const ActivationWay& b) {
        return std::tie(a.kept, a.extra, a.peer, a.host) < std::tie(b.kept, b.extra, b.peer, b.host);
    });
    std::vector<ActivationWay> front;
    // Where nothing is moved the front is a staircase, and only its last step can beat the next.
    const bool staircase = std::all_of(
        all.begin(), all.end(), [](const ActivationWay& way) { return way.peer == 0 && way.host == 0; });
    for (const ActivationWay& way : all) {
        const auto last = staircase && !front.empty() ? std::next(front.rbegin()) : front.rend();
        if (std::none_of(front.rbegin(), last, [&](const ActivationWay& other) { return beats(other, way); }))
            front.push_back(way);
    }
    fronts_.push_back(std::move(front));
}

std::vector<int> ActivationFront::choices(std::size_t way) const {
    std::vector<int> choices(fronts_.size() - 1);
    for (std::size_t layer = choices.size(); layer > 0; --layer) {
        const ActivationWay& taken = fronts_[layer][way];
        choices[layer - 1] = taken.choice;
        way = taken.before;
    }
    return choices;
}

}  // namespace orrery::schedules
