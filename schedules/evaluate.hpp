// schedules/evaluate.hpp
//
// Times of a bare schedule: every device runs its order greedily, one action after the other, each as soon as
// the device is free and what it depends on has ended. No model and no cluster: the times of an action and
// one latency are given.
//
// Dependencies. F(k, s) needs F(k, s-1); B(k, s) needs B(k, s+1), on the last stage F(k, s); W needs its B.
// With token slices F(k, s, i) also needs F(k, s, i-1) (its keys and values) and B(k, s, i) needs
// B(k, s, i+1). A recomputation starts when the gradient it serves has arrived, its B after it. An edge
// between different devices adds the communication latency and occupies nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "schedules/schedule.hpp"

namespace orrery::schedules {

/// Times of single actions, in any one unit.
struct ActionTimes {
    double forward = 1;
    double backward_input = 1;
    double backward_weight = 1;  ///< a joined backward lasts backward_input + backward_weight
    double communication = 0;    ///< latency of an edge between two devices
    /// One overlapped unit (Action::overlap) of a forward with a backward; empty: the sum of its actions.
    std::optional<double> overlapped = std::nullopt;
    std::optional<double> recompute = std::nullopt;  ///< empty: as long as the forward
    double evict = 0;  ///< transfers run on the device's copy stream, beside its actions
    double load = 0;

    /// One entry per virtual stage, replacing the three times above; empty: all stages alike.
    std::vector<double> stage_forward = {};
    std::vector<double> stage_backward_input = {};
    std::vector<double> stage_backward_weight = {};
    /// Factors on the time of each token slice and of each micro-batch; empty: 1.
    std::vector<double> slice_factor = {};
    std::vector<double> micro_batch_factor = {};
};

/// Times of the actions of a schedule of that shape: the shape's times are of one micro-batch on one device's
/// share (1/p of the model), an action is 1/(v q) of that.
ActionTimes action_times(const PipelineShape& shape);

struct Evaluation {
    /// start[device][position], end[device][position]: as in Schedule::orders.
    std::vector<std::vector<double>> start;
    std::vector<std::vector<double>> end;

    std::vector<double> busy;         ///< per device: time in actions
    std::vector<double> first_start;  ///< per device
    std::vector<double> last_end;     ///< per device
    double makespan = 0;              ///< last end, counted from 0
    double longest_span = 0;          ///< longest (last end - first start) of a device

    double bubble_ratio = 0;       ///< 1 - max busy / makespan
    double bubble_ratio_span = 0;  ///< 1 - max busy / longest span (the zero-bubble papers)
    double bubble_overhead = 0;    ///< makespan / max busy - 1

    /// Most activations alive, per device, in micro-batch activations of one device's share: F takes 1/(v q),
    /// the joined backward or W gives it back.
    std::vector<double> peak_activation;
    /// The same when B already gives everything back (W needs no activations).
    std::vector<double> peak_activation_released_at_backward;

    /// Sends between devices: both ways, all slices, evictions to and loads from a partner.
    double comm_messages_per_microbatch = 0;
    std::size_t actions = 0;
};

/// Evaluates. Throws SimulationError naming the cycle of devices and actions when the orders deadlock, and
/// the missing action when a device waits for one that no device runs. The schedule must pass `check`.
Evaluation evaluate(const Schedule& schedule, const ActionTimes& times);

/// Throws InputError (key: the schedule's name) unless every (micro-batch, stage, slice) has exactly one
/// forward and one backward (joined, or split into one B and one W) on the device that holds the stage,
/// overlapped units are adjacent, and evictions are matched by loads.
void check(const Schedule& schedule);

/// "F stage 3 micro-batch 5" and the like, for messages.
std::string describe(const Action& action);

}  // namespace orrery::schedules
