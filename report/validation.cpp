#include "report/validation.hpp"

#include <algorithm>
#include <cmath>

namespace orrery::report {

std::map<std::string, std::size_t> Validation::skipped_by_reason() const {
    std::map<std::string, std::size_t> counts;
    for (const SkippedRun& run : skipped) ++counts[run.reason];
    return counts;
}

std::vector<std::string> Validation::sources() const {
    std::vector<std::string> names;
    const auto add = [&names](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const ValidatedRun& run : rows) add(run.source);
    for (const SkippedRun& run : skipped) add(run.source);
    return names;
}

std::vector<ValidatedRun> Validation::rows_of(const std::string& source) const {
    std::vector<ValidatedRun> of_source;
    for (const ValidatedRun& run : rows) {
        if (run.source == source) of_source.push_back(run);
    }
    return of_source;
}

ErrorSummary summarize(std::span<const ValidatedRun> rows) {
    ErrorSummary summary;
    summary.rows = rows.size();
    if (rows.empty()) return summary;
    std::vector<double> sizes;
    for (const ValidatedRun& run : rows) {
        const double error = run.error();
        sizes.push_back(std::abs(error));
        summary.mean_abs += std::abs(error) / static_cast<double>(rows.size());
        summary.mean_signed += error / static_cast<double>(rows.size());
        summary.mean_abs_throughput += std::abs(run.throughput_error()) / static_cast<double>(rows.size());
        if (summary.worst_id.empty() || std::abs(error) > summary.max_abs) {
            summary.max_abs = std::abs(error);
            summary.worst_id = run.id;
        }
    }
    std::sort(sizes.begin(), sizes.end());
    const std::size_t middle = sizes.size() / 2;
    summary.median_abs = sizes.size() % 2 == 1 ? sizes[middle] : (sizes[middle - 1] + sizes[middle]) / 2;
    return summary;
}

MemorySummary summarize_memory(std::span<const ValidatedRun> rows) {
    MemorySummary summary;
    for (const ValidatedRun& run : rows) {
        if (!run.has_memory()) continue;
        ++summary.rows;
        summary.mean_abs += std::abs(run.memory_error());
        summary.mean_signed += run.memory_error();
    }
    if (summary.rows == 0) return summary;
    summary.mean_abs /= static_cast<double>(summary.rows);
    summary.mean_signed /= static_cast<double>(summary.rows);
    return summary;
}

}  // namespace orrery::report
