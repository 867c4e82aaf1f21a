#include "sim/timeline.hpp"

#include <algorithm>

namespace orrery::sim {

double Timeline::makespan() const {
    return end.empty() ? 0 : *std::max_element(end.begin(), end.end());
}

}  // namespace orrery::sim
