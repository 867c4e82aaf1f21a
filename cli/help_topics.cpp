#include "cli/help_topics.hpp"

#include <array>

namespace orrery::cli {
namespace {

constexpr std::array<HelpTopic, 9> kTopics{{
    {"experiments", "the YAML files that say what to simulate",
     R"(An experiment names a model, a cluster and a plan:

    model: llama3-8b                          # orrery list models, or a map
    cluster: {node: dgx-h100, nodes: 4}       # orrery list clusters
    parallel: {tp: 4, pp: 2}                  # dp follows from the GPUs
    schedule: {name: interleaved-1f1b, vpp: 2}
    training: {global_batch: 128, micro_batch: 1}

orrery help keys lists every key; docs/experiment.schema.json lets an editor
complete them. `base: FILE` takes another experiment's keys as a start, and
--set parallel.tp=8 changes one for a single run. A mistake is reported with
file, line, column, what is allowed and the nearest valid name.
)"},
    {"plans", "how the model is divided over the GPUs",
     R"(tp x pp x dp x cp = GPUs. Expert-parallel ranks (ep) are among the others.

    parallel.tp        tensor parallelism; sequence_parallel goes with it
    parallel.pp, vpp   pipeline stages, and chunks of each (schedule.vpp)
    parallel.dp        data parallelism, sharded as parallel.sharding says:
                       none (DDP), zero-1, zero-2, zero-3, fsdp, hsdp
    parallel.cp        context parallelism: ring, all-gather, ulysses
    parallel.ep        expert parallelism
    training.recompute none, selective, full; training.offload to the host

What a framework does around this (fused kernels, casts, host time) is
`software`: orrery list software. A plan that cannot be is refused with the
degrees that would fit; one that needs too much memory runs, and says by how
much, and which change would help most.
)"},
    {"schedules", "in which order pipelines run, and how to add one",
     R"(orrery list schedules names them; orrery schedule NAME draws one alone:

    orrery schedule zb-h1 --stages 4 --microbatches 8
    orrery schedule 1f1b --stages 4 --microbatches 8 --write-order mine.csv
    orrery schedule mine.csv

An order file is YAML, or the compute-only CSV that PyTorch's
torch.distributed.pipelining writes and reads.

Two bubbles are always given: of the makespan from time 0, and of the longest
stage's span (the zero-bubble papers'). orrery compare configs/schedules.yaml
sets all of them side by side on one model. docs/catalogue/pipeline.md holds
each published system beside its published figure.
)"},
    {"engines", "replay, flow and simgrid, and when to take which",
     R"(    replay    one pass in dependency order; each collective at its price
              alone. The default: milliseconds for thousands of GPUs.
    flow      links are shared max-min fairly by all that is under way;
              faults, degraded links, stragglers, jitter.
    simgrid   every message on SimGrid, the second opinion. Slow.

The same program runs on all. Ranks that do the same work are simulated once
(fold: true) where that changes nothing; --no-fold simulates every rank.
granularity: kernel prices each kernel; layer joins the kernels between two
communications and gives the same step.
)"},
    {"network", "collectives, links and what they are calibrated by",
     R"(orrery collective all-reduce --bytes 1GiB --ranks 64 --cluster dgx-h100

prices one bare collective, by algorithm and protocol as NCCL's tuner chooses
or as --algorithm says. orrery show cluster NAME prints and draws a network,
its bisection bandwidth, and the routes between two ranks.

    collectives:   {all-reduce: ring, all-gather: {protocol: LL128}}

in an experiment fixes what is otherwise chosen; orrery run prints the busiest
links. Calibrations lie in calibrations/collectives; output of nccl-tests
makes a new one:

    orrery calibrate all_reduce.txt --node dgx-h100 --out mine.yaml
    orrery run EXPERIMENT --set cluster.collectives=mine.yaml

docs/network.md says more.
)"},
    {"studies", "sweeps over plans, clusters and whatever a key can say",
     R"(A study is an experiment with

    vary:       keys with lists or ranges, zip:, and plans: (every legal
                division of N GPUs)
    where:      conditions over keys and results, in SQL
    define:     figures of your own
    objective:  {maximize: tokens_per_s_per_gpu}, or several: a Pareto front

    orrery sweep gpt3-175b-plans --best 10
    orrery query out/gpt3-175b-plans/study.sqlite 'where mfu > 0.5'

--best N simulates in the order of a bound and leaves out what cannot be among
the best N. --resume goes on after any interruption. Under mpirun or srun all
processes share the work; scripts/slurm/sweep is a batch script. docs/studies
has a page for each study that comes along.
)"},
    {"calibration", "from a machine's measurements to its predictions",
     R"(    orrery profile --device cpu --out samples.jsonl
    orrery calibrate samples.jsonl --gpu h100-sxm-80g --out mine.yaml
    orrery run EXPERIMENT --set calibration=mine.yaml
    orrery calibrate --diff h100-sxm-80g mine.yaml

--runs takes recorded steps of a real job (PyTorch, Nsight Systems, Chakra)
and fits what no microbenchmark sees. docs/measuring.md says how it measures.
Predictions outside the measured range are flagged in the result's notes.
)"},
    {"interchange", "Python, and traces for other simulators",
     R"(    import orrery                         # docs/python.md
    orrery.run("quickstart", set={"parallel.tp": 4})["step_time_s"]

The module lies in build/release/python and below lib/ of an installation.

    orrery export EXPERIMENT --out DIR    # Chakra execution traces, one a rank
    orrery replay DIR                     # as they were recorded
    orrery replay DIR --cluster dgx-h100  # their communication on a cluster

ASTRA-sim takes DIR/trace as its workload and DIR/comm_groups.json as its
communicator groups. docs/chakra.md says what a trace holds. For Perfetto,
run --out DIR writes trace.json.gz.
)"},
    {"files", "where models, clusters and configurations are looked for",
     R"(A name (gpt3-175b) is looked for in the folder of its kind: models/zoo,
models/software, topologies/zoo, calibrations, configs; anything with a slash
or an ending is a path. These folders are found, in this order, below
$ORRERY_DATA, below share/orrery of an installation, in the source tree.

run --out DIR writes result.json, report.html and trace.json.gz, which
ui.perfetto.dev opens. A study's folder holds study.sqlite, points.csv and
study.json. Files are written whole or not at all.

Exit status: 0 done, 1 the experiment cannot run, 2 bad input, 3 this build or
machine lacks what was asked (SimGrid, MPI, a GPU).
)"},
}};

}  // namespace

std::span<const HelpTopic> help_topics() {
    return kTopics;
}

}  // namespace orrery::cli
