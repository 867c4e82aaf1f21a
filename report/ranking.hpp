// report/ranking.hpp
//
// Whether predictions put alternatives in the right order: recorded runs that differ only in their pipeline
// schedule (and micro-batch, where a table compares at equal memory) form a setting; each two of them whose
// measured throughput differs are a pair.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report/validation.hpp"

namespace orrery::report {

struct Ranking {
    std::string setting;
    std::size_t pairs = 0;     ///< of runs whose measured throughputs differ
    std::size_t in_order = 0;  ///< predicted to differ in the same direction
    bool best_found = false;   ///< the run predicted fastest is (one of) the fastest measured

    /// Kendall's tau over those pairs: 1 all in order, -1 all reversed; predicted ties count against. 0
    /// without pairs.
    [[nodiscard]] double kendall_tau() const;
};

/// One entry a setting with at least one pair, in the order of first appearance.
std::vector<Ranking> rankings(std::span<const ValidatedRun> rows);

/// All pairs of all settings together; `best_found` where it is in every setting.
Ranking sum_of(std::span<const Ranking> rankings);

}  // namespace orrery::report
