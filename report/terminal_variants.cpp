#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "report/pareto.hpp"
#include "report/terminal.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::vector<std::string> row(const Result& result, bool on_front) {
    return {(on_front ? "* " : "  ") + result.experiment,
            duration(result.step_time_s),
            percent(result.bubble_ratio),
            percent(result.bubble_ratio_span),
            duration(result.breakdown.exposed_comm_s.total()),
            bytes(result.memory.peak_bytes),
            result.memory.fits ? "yes" : "NO"};
}

}  // namespace

std::string variants_table(std::span<const Result> results, std::span<const NamedText> refused,
                           std::size_t width) {
    std::vector<std::size_t> order(results.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return results[a].step_time_s < results[b].step_time_s;
    });
    const std::vector<bool> on_front = time_memory_front(results);
    Table table({{"  by step time", Align::left},
                 {"step", Align::right},
                 {"bubble", Align::right},
                 {"span", Align::right},
                 {"exposed", Align::right},
                 {"peak", Align::right},
                 {"fits", Align::left}});
    for (const std::size_t i : order) table.add_row(row(results[i], on_front[i]));
    std::string text = table.render(width);
    text +=
        "\n  *        no other that fits is as fast in as little memory\n"
        "  bubble   bubble_ratio: idle share of the busiest rank's compute stream\n"
        "  span     bubble_ratio_span: over one stage's longest span (zero-bubble papers)\n"
        "  exposed  communication that compute waits for\n"
        "  peak     memory of the fullest rank\n";
    if (refused.empty()) return text;
    Table reasons({{"not simulated", Align::left}, {"why", Align::left, true}});
    for (const auto& [name, reason] : refused) reasons.add_row({name, reason});
    return text + "\n" + reasons.render(width);
}

}  // namespace orrery::report
