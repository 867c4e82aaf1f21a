// schedules/registry.cpp
//
// The table of schedules: the one place where a name meets its generator.
#include <fmt/format.h>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "schedules/formulas.hpp"
#include "schedules/generators.hpp"

namespace orrery::schedules {
namespace {

std::vector<ScheduleEntry> make_registry() {
    return {
        {.name = "gpipe",
         .summary = "all forwards, then all backwards (Huang et al. 2019)",
         .generate = gpipe,
         .variants = "fifo, lifo, recompute",
         .bubble = gpipe_bubble,
         .peak = peak_all,
         .sends_block = true},
        {.name = "1f1b",
         .summary =
             "one forward, one backward in turn, with a flush (PipeDream-Flush; Narayanan et al. 2021)",
         .generate = one_f_one_b,
         .bubble = full_bubble,
         .peak = peak_one_f_one_b,
         .sends_block = true},
        {.name = "eager-1f1b",
         .summary = "1F1B with twice the forwards ahead, to hide transfers (Zhuang et al. 2023)",
         .generate = eager_one_f_one_b,
         .bubble = full_bubble,
         .peak = peak_eager},
        {.name = "dapple",
         .summary = "early backward, warm-up by policy a or b under a memory limit (Fan et al. 2021)",
         .generate = dapple,
         .variants = "a, b",
         .bubble = dapple_bubble,
         .peak = peak_dapple},
        {.name = "interleaved-1f1b",
         .summary = "1F1B over v virtual stages per device (Megatron-LM; Narayanan et al. 2021)",
         .generate = interleaved_one_f_one_b,
         .default_chunks = 2,
         .bubble = interleaved_bubble,
         .peak = peak_interleaved,
         .sends_block = true},
        {.name = "interleaved-1f1b-overlap",
         .summary = "interleaved 1F1B, each forward overlapped with another micro-batch's backward "
                    "(Megatron-LM)",
         .generate = interleaved_overlap,
         .default_chunks = 2,
         .peak = peak_interleaved_overlap},
        {.name = "grouped-interleaved",
         .summary = "interleaved 1F1B in smaller groups, for less memory (PipeOffload; Wan et al. 2025)",
         .generate = grouped_interleaved,
         .default_chunks = 2,
         .variants = "micro-batches of a group: half of the stages",
         .sends_block = true},
        {.name = "breadth-first",
         .summary = "all micro-batches through one chunk after the other (Lamy-Poirier 2023)",
         .generate = breadth_first,
         .default_chunks = 2,
         .variants = "fifo, lifo",
         .bubble = breadth_first_bubble,
         .peak = peak_all},
        {.name = "terapipe",
         .summary = "GPipe over token slices (Li et al. 2021)",
         .generate = terapipe,
         .bubble = sliced_bubble,
         .peak = peak_all,
         .sends_block = true},
        {.name = "seq1f1b",
         .summary = "1F1B over token slices (Ao et al. 2024)",
         .generate = seq_one_f_one_b,
         .bubble = sliced_bubble,
         .peak = peak_seq,
         .sends_block = true},
        {.name = "zb-h1",
         .summary = "zero bubble, W delayed within 1F1B's memory (Qi et al. 2024)",
         .generate = zb_h1,
         .bubble = zero_bubble_h1,
         .peak = peak_h1},
        {.name = "zb-h2",
         .summary = "zero bubble with twice the forwards ahead (Qi et al. 2024)",
         .generate = zb_h2,
         .bubble = zero_bubble_h2,
         .peak = peak_h2},
        {.name = "zb-auto",
         .summary = "zero bubble, searched under a memory limit (Qi et al. 2024)",
         .generate = zb_auto,
         .variants = "heuristic, exact, ilp"},
        {.name = "zb-v",
         .summary = "zero bubble on V-placed stages, searched (Qi et al. 2024)",
         .generate = zb_v,
         .default_chunks = 2,
         .variants = "search, fixed",
         .bubble = zero_bubble_v},
        {.name = "1f1b-v",
         .summary = "V-placed stages with joined backwards, two thirds of 1F1B's memory (Qi et al. 2024)",
         .generate = one_f_one_b_v,
         .default_chunks = 2},
        {.name = "v-half",
         .summary = "V-placed stages at half of 1F1B's memory (Qi et al. 2024, controllable memory)",
         .generate = v_half,
         .default_chunks = 2,
         .bubble = v_half_bubble},
        {.name = "v-min",
         .summary = "V-placed stages at a third of 1F1B's memory (Qi et al. 2024, controllable memory)",
         .generate = v_min,
         .default_chunks = 2,
         .bubble = v_min_bubble},
        {.name = "v-zb",
         .summary = "V-placed stages from a building block, zero bubble by default (Qi et al. 2024)",
         .generate = v_zb,
         .default_chunks = 2,
         .variants = "slot distances of a building block: 4,2,4,2",
         .bubble = zero_bubble_v},
        {.name = "v-auto",
         .summary = "V-placed stages, the building block searched under a memory limit (Qi et al. 2024)",
         .generate = v_auto,
         .default_chunks = 2},
        {.name = "interleaved-zb",
         .summary = "interleaved 1F1B with delayed W (PyTorch's InterleavedZeroBubble)",
         .generate = interleaved_zb,
         .default_chunks = 2,
         .bubble = zero_bubble_h1,
         .peak = peak_interleaved_zb},
        {.name = "chimera",
         .summary = "two pipelines in opposite directions, units concatenated (Li and Hoefler 2021)",
         .generate = chimera,
         .variants = "direct, doubling, halving (of 2 slices)",
         .bubble = chimera_bubble,
         .peak = peak_chimera},
        {.name = "hanayo",
         .summary = "waves of stages, down and up the devices, one copy of the weights (Liu et al. 2023)",
         .generate = hanayo,
         .default_chunks = 2},
        {.name = "pipedream",
         .summary = "1F1B without a flush, weights stashed per micro-batch in flight (Narayanan et al. 2019)",
         .generate = pipedream,
         .bubble = full_bubble,
         .peak = peak_one_f_one_b},
        {.name = "pipedream-2bw",
         .summary = "1F1B without a flush, two versions of the weights (Narayanan et al. 2021)",
         .generate = pipedream_2bw,
         .bubble = full_bubble,
         .peak = peak_one_f_one_b},
        {.name = "bpipe",
         .summary = "1F1B, activations moved between paired stages to balance memory (Kim et al. 2023)",
         .generate = bpipe,
         .bubble = full_bubble,
         .sends_block = true},
        {.name = "varuna",
         .summary =
             "backward, recomputation, forward by urgency; recomputed just in time (Athlur et al. 2022)",
         .generate = varuna},
        {.name = "graphpipe",
         .summary = "1F1B on a graph of stages, warm-up by depth (Jeon et al. 2025)",
         .generate = graphpipe,
         .variants = "BRANCHESxLENGTH, such as 2x1",
         .bubble = graph_bubble,
         .peak = peak_graph},
        {.name = "distmm",
         .summary = "modalities side by side, a loss that waits for the whole batch (Huang et al. 2024)",
         .generate = distmm,
         .variants = "BRANCHESxLENGTH, such as 2x1",
         .bubble = graph_bubble,
         .peak = peak_all},
        {.name = "dynapipe",
         .summary = "memory-aware cyclic order for micro-batches of different length (Jiang et al. 2024)",
         .generate = dynapipe},
        {.name = "tessel",
         .summary = "any placement: a repeating steady state searched, then completed (Lin et al. 2024)",
         .generate = tessel,
         .variants = "v, x, m, nn, k, or the devices of the stages: 0,1,1,0"},
        {.name = "adapipe",
         .summary = "1F1B, layers and what is recomputed balanced per stage under a memory limit (Sun et al. "
                    "2024)",
         .generate = adapipe,
         .variants = "layers per device: 8",
         .sends_block = true},
        {.name = "mpress",
         .summary = "1F1B, swapping to a peer and recomputing mixed under a memory limit (Zhou et al. 2023)",
         .generate = mpress,
         .variants = "layers per device: 8"},
        {.name = "mcap",
         .summary = "1F1B on the cut with the smallest peak memory (Dreuning et al. 2022)",
         .generate = mcap,
         .variants = "layers per device: 8",
         .sends_block = true},
        {.name = "dualpipe",
         .summary = "two directions, forwards overlapped with backwards (DeepSeek-AI 2024)",
         .generate = dual_pipe,
         .peak = peak_dual_pipe},
        {.name = "dualpipev",
         .summary = "DualPipe folded into a V, one copy of the weights (DeepSeek-AI 2025)",
         .generate = dual_pipe_v,
         .default_chunks = 2,
         .peak = peak_dual_pipe_v},
    };
}

}  // namespace

const std::vector<ScheduleEntry>& registry() {
    static const std::vector<ScheduleEntry> entries = make_registry();
    return entries;
}

Schedule make_schedule(std::string_view name, const PipelineShape& shape) {
    const ScheduleEntry& entry = find_schedule(name);
    if (entry.variants.empty() && !shape.variant.empty())
        throw InputError({}, "variant", fmt::format("{} has no variants", name));
    return entry.generate(shape);
}

const ScheduleEntry& find_schedule(std::string_view name) {
    std::vector<std::string> names;
    for (const ScheduleEntry& entry : registry()) {
        if (entry.name == name) return entry;
        names.emplace_back(entry.name);
    }
    throw InputError({}, "schedule", unknown_name("schedule", name, names));
}

}  // namespace orrery::schedules
