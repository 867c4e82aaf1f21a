// schedules/activation_front.hpp
//
// The ways to treat the activations of several layers that no other way beats.
#pragma once

#include <cstddef>
#include <vector>

#include "schedules/layer_costs.hpp"

namespace orrery::schedules {

/// Sums over the layers added so far; the choices are kept as a chain.
struct ActivationWay {
    double kept = 0;   ///< bytes of one micro-batch
    double extra = 0;  ///< s
    double peer = 0;   ///< bytes of one micro-batch
    double host = 0;
    std::size_t before = 0;  ///< way of the layers before, in the previous front
    int choice = 0;          ///< of the last layer
};

class ActivationFront {
  public:
    ActivationFront();
    /// Adds one layer behind the others. Choices that move bytes over a link there is not are left out; a
    /// layer whose choices all do leaves no way at all.
    void add(const LayerCost& layer, bool peer_link, bool host_link);
    /// The ways for all layers added, by ascending bytes kept.
    [[nodiscard]] const std::vector<ActivationWay>& ways() const { return fronts_.back(); }
    /// The choice of every layer of the way at that index of ways().
    [[nodiscard]] std::vector<int> choices(std::size_t way) const;

  private:
    std::vector<std::vector<ActivationWay>> fronts_;  ///< [layers added]
};

}  // namespace orrery::schedules
