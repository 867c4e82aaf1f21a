"""A what-if study: how should GPT-3 18.4B be trained on 64 A100, and what would a slower network change?

    PYTHONPATH=build/release/python python3 python/examples/what_if.py
"""

import numpy

import orrery

EXPERIMENT = {
    "name": "what-if",
    "model": "megatron-18.4b",
    "cluster": {"node": "dgx-a100", "nodes": 8},
    "schedule": "1f1b",
    "training": {"global_batch": 256, "micro_batch": 1, "precision": "bf16", "recompute": "selective"},
    "parallel": {"sequence_parallel": True, "sharding": "zero-1"},
}

# 1. Every division of 64 GPUs that tensor and pipeline parallelism allow, on all cores.
study = {
    **EXPERIMENT,
    "vary": {"parallel.tp": [1, 2, 4, 8], "parallel.pp": [1, 2, 4, 8], "training.micro_batch": [1, 2, 4]},
    "objective": {"minimize": "step_time_s"},
}
done = orrery.sweep(study)
ok = done.where(done.points["status"] == "ok")
order = numpy.argsort(ok["step_time_s"])[:5]

print(f"{len(done.points['id'])} plans, {len(ok['id'])} of them fit; the best:\n")
print("  tp  pp  dp  micro-batch   step time    mfu  bubble  memory")
for i in order:
    print(
        f"  {ok['parallel.tp'][i]:2}  {ok['parallel.pp'][i]:2}  {ok['parallel.dp'][i]:2}  {ok['training.micro_batch'][i]:11}"
        f"  {ok['step_time_s'][i]:8.3f} s  {ok['mfu'][i]:5.1%}  {ok['bubble_ratio'][i]:6.1%}"
        f"  {ok['memory.peak_bytes'][i] / 2**30:4.0f} GiB"
    )

# 2. The best plan with other pipeline schedules and a network a quarter as fast.
best = {
    "parallel.tp": ok["parallel.tp"][order[0]],
    "parallel.pp": ok["parallel.pp"][order[0]],
    "training.micro_batch": ok["training.micro_batch"][order[0]],
}
print("\n  network   step time  exposed dp")
for name, bandwidth in [("as built", None), ("a quarter", 25e9 / 4)]:
    changes = best if bandwidth is None else {**best, "cluster.nic_bandwidth": bandwidth}
    result = orrery.run(EXPERIMENT, set=changes)
    print(f"  {name:9} {result['step_time_s']:8.3f} s  {result['breakdown']['exposed_comm_s']['dp'] * 1e3:7.0f} ms")

# 3. What the GPUs of each stage do, from the timeline.
timeline = orrery.simulate(EXPERIMENT, set={**best, "parallel.pp": 4, "parallel.tp": 4}).timeline
streams = numpy.array(timeline["categories"]["stream"])
computing = streams[timeline["stream"]] == "compute"
print("\n  4 stages  compute stream busy")
for stage in range(4):
    own = computing & (timeline["stage"] == stage)
    busy = (timeline["end"] - timeline["start"])[own].sum() / len(set(timeline["rank"][own]))
    print(f"  stage {stage}   {busy / timeline['end'].max():6.1%}")
