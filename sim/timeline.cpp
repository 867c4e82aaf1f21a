#include "sim/timeline.hpp"

#include <tbb/parallel_invoke.h>

#include <algorithm>

#include "core/huge_pages.hpp"

namespace orrery::sim {
namespace {

constexpr std::uint64_t kLarge = std::uint64_t{1} << 20U;  ///< tasks: 8 MiB a half

}  // namespace

double Timeline::makespan() const {
    return end.empty() ? 0 : *std::max_element(end.begin(), end.end());
}

Timeline make_timeline(std::uint64_t tasks) {
    Timeline timeline;
    if (tasks < kLarge) return {std::vector<double>(tasks), std::vector<double>(tasks)};
    // Of a large timeline the time goes into the kernel's clearing of fresh pages: both halves at once.
    tbb::parallel_invoke([&] { timeline.start = make_large_vector<double>(tasks); },
                         [&] { timeline.end = make_large_vector<double>(tasks); });
    return timeline;
}

}  // namespace orrery::sim
