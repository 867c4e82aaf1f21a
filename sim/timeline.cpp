#include "sim/timeline.hpp"

#include <algorithm>

#include "core/huge_pages.hpp"

namespace orrery::sim {

double Timeline::makespan() const {
    return end.empty() ? 0 : *std::max_element(end.begin(), end.end());
}

Timeline make_timeline(std::uint64_t tasks) {
    return {make_large_vector<double>(tasks), make_large_vector<double>(tasks)};
}

}  // namespace orrery::sim
