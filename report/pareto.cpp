#include "report/pareto.hpp"

#include <algorithm>

namespace orrery::report {
namespace {

bool beats(const Result& a, const Result& b) {
    const double time_a = a.step_time_s, time_b = b.step_time_s;
    const double memory_a = a.memory.peak_bytes, memory_b = b.memory.peak_bytes;
    return time_a <= time_b && memory_a <= memory_b && (time_a < time_b || memory_a < memory_b);
}

}  // namespace

std::vector<bool> time_memory_front(std::span<const Result> results) {
    std::vector<bool> on_front;
    for (const Result& result : results)
        on_front.push_back(result.memory.fits &&
                           std::none_of(results.begin(), results.end(), [&](const Result& other) {
                               return other.memory.fits && beats(other, result);
                           }));
    return on_front;
}

}  // namespace orrery::report
