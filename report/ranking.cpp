#include "report/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery::report {
namespace {

/// Two measured throughputs closer than this are a tie: the tables print three digits.
constexpr double kTie = 1e-9;

double measured_rate(const ValidatedRun& run) {
    return run.tokens / run.measured_step_time_s;
}
double predicted_rate(const ValidatedRun& run) {
    return run.tokens / run.predicted_step_time_s;
}

Ranking rank(const std::string& setting, const std::vector<const ValidatedRun*>& runs) {
    Ranking ranking{.setting = setting};
    for (std::size_t a = 0; a < runs.size(); ++a) {
        for (std::size_t b = a + 1; b < runs.size(); ++b) {
            const double measured = measured_rate(*runs[a]) / measured_rate(*runs[b]) - 1;
            const double predicted = predicted_rate(*runs[a]) / predicted_rate(*runs[b]) - 1;
            if (std::abs(measured) <= kTie) continue;
            ++ranking.pairs;
            if (measured * predicted > 0) ++ranking.in_order;
        }
    }
    const auto slower = [](auto rate) {
        return [rate](const ValidatedRun* a, const ValidatedRun* b) { return rate(*a) < rate(*b); };
    };
    const ValidatedRun* fastest = *std::max_element(runs.begin(), runs.end(), slower(measured_rate));
    const ValidatedRun* chosen = *std::max_element(runs.begin(), runs.end(), slower(predicted_rate));
    ranking.best_found = measured_rate(*chosen) >= measured_rate(*fastest) * (1 - kTie);
    return ranking;
}

}  // namespace

double Ranking::kendall_tau() const {
    if (pairs == 0) return 0;
    return 2 * static_cast<double>(in_order) / static_cast<double>(pairs) - 1;
}

std::vector<Ranking> rankings(std::span<const ValidatedRun> rows) {
    std::vector<std::string> settings;
    std::map<std::string, std::vector<const ValidatedRun*>> members;
    for (const ValidatedRun& run : rows) {
        if (run.setting.empty()) continue;
        std::vector<const ValidatedRun*>& runs = members[run.setting];
        if (runs.empty()) settings.push_back(run.setting);
        runs.push_back(&run);
    }
    std::vector<Ranking> found;
    for (const std::string& setting : settings) {
        Ranking ranking = rank(setting, members.at(setting));
        if (ranking.pairs > 0) found.push_back(std::move(ranking));
    }
    return found;
}

Ranking sum_of(std::span<const Ranking> rankings) {
    Ranking sum{.setting = "all", .best_found = true};
    for (const Ranking& each : rankings) {
        sum.pairs += each.pairs;
        sum.in_order += each.in_order;
        sum.best_found = sum.best_found && each.best_found;
    }
    return sum;
}

}  // namespace orrery::report
