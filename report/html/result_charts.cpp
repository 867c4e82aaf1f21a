#include "report/html/result_charts.hpp"

#include <algorithm>
#include <functional>

#include "report/html/memory_colours.hpp"
#include "report/memory_words.hpp"

namespace orrery::report {
namespace {

void add_if_used(BarChart& chart, Series series) {
    if (std::any_of(series.values.begin(), series.values.end(), [](double value) { return value != 0; })) {
        chart.series.push_back(std::move(series));
    }
}

}  // namespace

BarChart time_chart(const std::vector<std::string>& labels, std::span<const Breakdown> breakdowns) {
    BarChart chart{Unit::seconds, labels, {}, std::nullopt, ""};
    const auto add = [&](const char* name, const char* colour,
                         const std::function<double(const Breakdown&)>& part) {
        Series series{name, colour, {}};
        for (const Breakdown& breakdown : breakdowns) series.values.push_back(part(breakdown));
        add_if_used(chart, std::move(series));
    };
    add("compute", "forward", [](const Breakdown& b) { return b.compute_s; });
    add("exposed tensor parallel", "tp", [](const Breakdown& b) { return b.exposed_comm_s.tp; });
    add("exposed pipeline", "pp", [](const Breakdown& b) { return b.exposed_comm_s.pp; });
    add("exposed data parallel", "dp", [](const Breakdown& b) { return b.exposed_comm_s.dp; });
    add("exposed context parallel", "cp", [](const Breakdown& b) { return b.exposed_comm_s.cp; });
    add("exposed expert parallel", "ep", [](const Breakdown& b) { return b.exposed_comm_s.ep; });
    add("exposed copy", "copy", [](const Breakdown& b) { return b.exposed_copy_s; });
    add("optimizer", "optimizer", [](const Breakdown& b) { return b.optimizer_s; });
    add("waiting for the host", "host", [](const Breakdown& b) { return b.host_s; });
    add("pipeline bubble", "bubble", [](const Breakdown& b) { return b.bubble_s; });
    return chart;
}

BarChart memory_chart(const std::vector<std::string>& labels, std::span<const BytesByKind> memories,
                      double capacity_bytes) {
    BarChart chart{Unit::bytes, labels, {}, std::nullopt, ""};
    for (std::size_t kind = 0; kind < BytesByKind{}.size(); ++kind) {
        Series series{memory_kind_name(kind), memory_kind_colour(kind), {}};
        for (const BytesByKind& bytes : memories) series.values.push_back(bytes[kind]);
        add_if_used(chart, std::move(series));
    }
    if (capacity_bytes > 0) {
        chart.limit = capacity_bytes;
        chart.limit_name = "GPU memory";
    }
    return chart;
}

}  // namespace orrery::report
