// schedules/zb_auto.hpp
//
// The zero-bubble search under a memory limit (Qi et al. 2024, "Zero Bubble Pipeline Parallelism", section
// 3.1): orders of F, B and W on every stage, for any times, one list-scheduling pass for each of eight
// combinations of three choices; the shortest longest-span wins.
#pragma once

#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// One entry per stage in every vector. Memory: what F, B and W add (F positive, the others not).
struct ZeroBubbleProblem {
    int devices = 1;
    int micro_batches = 1;
    std::vector<double> forward, backward_input, backward_weight;
    double communication = 0;
    std::vector<double> memory_forward, memory_backward, memory_weight;
    std::vector<double> memory_limit;
};

struct ZeroBubbleOrder {
    std::vector<std::vector<Action>> orders;
    double longest_span = 0;
};

/// The problem of a shape, all stages alike.
ZeroBubbleProblem zero_bubble_problem(const PipelineShape& shape);

/// Longest span of a stage when every stage runs its order greedily. Throws SimulationError where the orders
/// wait for each other.
double longest_span(const ZeroBubbleProblem& problem, const std::vector<std::vector<Action>>& orders);

/// The best order of the eight passes, and under a limit below 1F1B's memory the greedy one (zb_greedy.hpp).
/// Throws InputError (key "memory-limit") when none fits.
ZeroBubbleOrder zero_bubble_heuristic(const ZeroBubbleProblem& problem);

}  // namespace orrery::schedules
