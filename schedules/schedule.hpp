// schedules/schedule.hpp
//
// A schedule says in which order each pipeline device works: for every device an ordered list of actions. It
// knows nothing of models or clusters; times enter only when it is evaluated (schedules/evaluate.hpp) or
// lowered (parallel/lower.hpp).
//
// Words. p devices ("pipeline ranks"); m micro-batches; v chunks per device; S = p*v virtual stages, numbered
// along the model from 0 to S-1; q token slices per micro-batch. Micro-batch k visits stage 0, 1, ..., S-1 in
// its forwards and S-1, ..., 0 in its backwards. Which device holds which stage is the schedule's
// `placement`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::schedules {

/// What an action does. `backward` computes both gradients; a schedule that splits it emits `backward_input`
/// (B of the zero-bubble papers) and `backward_weight` (W) instead.
enum class ActionKind : std::uint8_t {
    forward,
    backward,
    backward_input,
    backward_weight,
    recompute,  ///< re-run of a forward whose activations were dropped, where the order of the schedule
                ///< places it
    evict,      ///< send this action's saved activations to the paired device (BPipe) or to the host
    load,       ///< bring them back
};

/// One action of one device. Two actions with the same non-negative `overlap` value on the same device are
/// started together and run as one overlapped unit (DualPipe's F&B, Megatron's combined 1F1B; Chimera's
/// doubled forward).
struct Action {
    ActionKind kind = ActionKind::forward;
    std::int32_t micro_batch = 0;
    std::int32_t stage = 0;     ///< virtual stage, 0..S-1
    std::int32_t slice = 0;     ///< token slice, 0..q-1
    std::int32_t overlap = -1;  ///< see above
    std::int8_t direction =
        0;  ///< 0 down, 1 up: which replica of a bidirectional pipeline (Chimera, DualPipe)

    bool operator==(const Action&) const = default;
};

/// The size of a pipeline, as a generator needs it, and the options that some schedules have.
struct PipelineShape {
    int devices = 1;        ///< p
    int micro_batches = 1;  ///< m
    int chunks = 1;         ///< v, virtual stages per device
    int slices = 1;         ///< q, token slices per micro-batch

    // Relative times, for the generators that search (zb-auto, tessel, ...). One micro-batch on one device's
    // share.
    double forward_time = 1;
    double backward_input_time = 1;
    double backward_weight_time = 1;
    double communication_time = 0;
    /// Limit on activations per device, in micro-batch activations of one device's share; empty: the
    /// schedule's own.
    std::optional<double> memory_limit = std::nullopt;
    /// Share of an activation that B gives back, W the rest: what the searches hold against the limit. Empty:
    /// the schedule's own (zb-auto: 0, everything is held until W).
    std::optional<double> released_at_backward = std::nullopt;
    /// Of schedules on a graph of stages (graphpipe, distmm): the stages that each stage reads, in place of
    /// the variant's branches. Empty: by the variant.
    std::vector<std::vector<int>> stage_inputs = {};
    /// Time of one eviction or load of a whole activation, for the generators that weigh swapping.
    double transfer_time = 0;
    /// Seconds a search may take; empty: until its own budget of work, the same on every machine, is used up.
    std::optional<double> time_limit = std::nullopt;
    /// Called by searches now and then with what they have found so far; empty: nobody listens.
    std::function<void(const std::string&)> progress = nullptr;
    /// Named variants, e.g. dapple's warm-up policy ("a", "b"); empty: the schedule's default.
    std::string variant = {};
};

/// The orders of all devices, and how the stages lie on them.
struct Schedule {
    std::string name;
    int devices = 1;
    int micro_batches = 1;
    int chunks = 1;
    int slices = 1;
    /// placement[direction][stage] = device that holds the stage. One entry for most schedules, two for
    /// bidirectional ones (whose weights exist twice).
    std::vector<std::vector<int>> placement;
    /// orders[device] = the device's actions, in order.
    std::vector<std::vector<Action>> orders;
    /// Copies of the weights a device holds (Chimera, DualPipe: 2; PipeDream: up to p).
    double weight_copies = 1;
    /// The same per device, where it differs (PipeDream's stashes); empty: weight_copies everywhere.
    std::vector<int> weight_versions;
    /// False for schedules without a flush between optimizer steps (PipeDream).
    bool synchronous = true;
    /// Without a flush: the weights are updated after every micro-batch (PipeDream), not once a batch (2BW).
    bool updates_each_micro_batch = false;
    /// The stages form a chain unless this is set: stage_inputs[stage] = the stages whose outputs it reads
    /// (GraphPipe's DAG of stages), every one smaller than `stage`.
    std::vector<std::vector<int>> stage_inputs;
    /// Schedules that cut the model unevenly or drop activations say so per stage; empty: all stages alike,
    /// everything kept. Relative work of each stage (the mean is 1) ...
    std::vector<double> stage_work;
    /// ... the share of a stage's activations that is not kept but computed again at its backward, which
    /// lengthens by that share of the forward ...
    std::vector<double> stage_recomputed;
    /// ... and the share of its activations that an eviction moves (1 where empty). `lower` takes the cut and
    /// what is recomputed from the plan instead.
    std::vector<double> stage_evicted;
    /// Where evicted activations go: eviction_partner[device] = the device that keeps them (BPipe). Empty:
    /// the host.
    std::vector<int> eviction_partner;

    [[nodiscard]] int stages() const { return devices * chunks; }
};

/// One registered schedule. The generator throws InputError (key named after the offending field: "stages",
/// "microbatches", "chunks", "slices") when the shape is not legal for it, saying what is.
struct ScheduleEntry {
    std::string_view name;
    std::string_view summary;  ///< one line: mechanism and source
    std::function<Schedule(const PipelineShape&)> generate;
    /// Virtual stages per device when the user gives none.
    int default_chunks = 1;
    /// The variants, the default first, for the user to read; empty: the schedule has none.
    std::string_view variants = {};
    /// Declared closed form: makespan minus the busiest device's work, with the shape's times and no
    /// communication; empty function, or nullopt for a shape outside the formula's range: none is known.
    /// Tests hold it against the evaluation, exactly.
    std::function<std::optional<double>(const PipelineShape&)> bubble = nullptr;
    /// Declared peak activation per device (held until W), in micro-batch activations of one device share.
    std::function<std::optional<std::vector<double>>(const PipelineShape&)> peak = nullptr;
    /// In the implementation it is known from, a device computes on only when its sends are done
    /// (Megatron-LM's send_forward and its kin, without overlap of point-to-point). The others send
    /// asynchronously.
    bool sends_block = false;
};

/// All registered schedules, in the order `orrery list schedules` prints them (schedules/registry.cpp).
const std::vector<ScheduleEntry>& registry();

/// The entry of that name. Throws InputError naming the nearest valid name.
const ScheduleEntry& find_schedule(std::string_view name);

/// The schedule of that name for that shape. Throws InputError naming the nearest valid name, or (key
/// "variant") when the shape asks for a variant of a schedule that has none.
Schedule make_schedule(std::string_view name, const PipelineShape& shape);

}  // namespace orrery::schedules
