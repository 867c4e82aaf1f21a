#include "study/sweep/front.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::study {
namespace {

bool beats(const std::vector<double>& a, const std::vector<double>& b) {
    bool better = false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] > b[i]) return false;
        better |= a[i] < b[i];
    }
    return better;
}

}  // namespace

std::vector<std::size_t> pareto_front(const std::vector<std::vector<double>>& points) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const bool comparable =
            std::none_of(points[i].begin(), points[i].end(), [](double x) { return std::isnan(x); });
        if (comparable) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return points[a] < points[b]; });
    // Whoever beats a point stands before it in this order, and some member of the front beats it then.
    std::vector<std::size_t> front;
    for (const std::size_t candidate : order) {
        const bool beaten = std::any_of(front.begin(), front.end(), [&](std::size_t member) {
            return beats(points[member], points[candidate]);
        });
        if (!beaten) front.push_back(candidate);
    }
    return front;
}

}  // namespace orrery::study
