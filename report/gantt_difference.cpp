#include "report/gantt_difference.hpp"

#include <cmath>

namespace orrery::report {
namespace {

constexpr double kNone = 1e-3;  ///< of the measured makespan
constexpr double kSome = 0.05;  ///< of the predicted duration
constexpr double kMuch = 0.20;

Category category_of(double predicted_s, double measured_s, double none_s) {
    const double longer = measured_s - predicted_s;
    if (std::abs(longer) <= none_s || std::abs(longer) < kSome * predicted_s) return Category::as_predicted;
    const bool much = std::abs(longer) >= kMuch * predicted_s;
    if (longer > 0) return much ? Category::much_longer : Category::longer;
    return much ? Category::much_shorter : Category::shorter;
}

}  // namespace

std::vector<Category> differences(const sim::Timeline& predicted, const sim::Timeline& measured) {
    const double none_s = kNone * measured.makespan();
    std::vector<Category> categories;
    categories.reserve(measured.end.size());
    for (std::size_t task = 0; task < measured.end.size(); ++task)
        categories.push_back(category_of(predicted.end[task] - predicted.start[task],
                                         measured.end[task] - measured.start[task], none_s));
    return categories;
}

Gantt difference_gantt(const sim::Program& program, const sim::Timeline& predicted,
                       const sim::Timeline& measured, std::size_t most_boxes) {
    return make_gantt(program, measured, most_boxes, differences(predicted, measured));
}

}  // namespace orrery::report
