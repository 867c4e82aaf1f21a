"""Orrery: one training step of a large model on a cluster, simulated.

    import orrery
    result = orrery.run("quickstart", set={"parallel.tp": 4})
    result["step_time_s"], result["mfu"]

A configuration is the name of one in configs/, a path, a YAML text, or a dict with the same keys (docs/experiment.schema.json).
A str with a line break or with ": " in it is a text. Results are the dicts of the command's --json. Units are SI: seconds, bytes,
FLOP/s; ratios are fractions. What can go wrong is in orrery.errors.
"""

from __future__ import annotations

import json
import os
import tempfile
from builtins import list as List
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Union

import numpy

from . import _orrery
from .errors import CannotRun, InputError, MissingCapability, OrreryError, SimulationError

__version__: str = _orrery.version
__all__ = [
    "CannotRun",
    "InputError",
    "MissingCapability",
    "OrreryError",
    "Simulation",
    "SimulationError",
    "Sweep",
    "collective",
    "compare",
    "list",
    "query",
    "run",
    "schedule",
    "simulate",
    "sweep",
]

Config = Union[str, "os.PathLike[str]", Mapping[str, Any]]
Settings = Union[Mapping[str, Any], Sequence[str]]
Columns = Dict[str, numpy.ndarray]


def _plain(value: Any) -> Any:
    """What json does not know: paths, NumPy's numbers and arrays."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a configuration cannot hold a {type(value).__name__}")


def _yaml(value: Any) -> str:
    """The value as YAML: JSON is YAML too."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


def _source(config: Config) -> _orrery.Source:
    if isinstance(config, Mapping):
        return _orrery.Source(_yaml(config), True)
    if isinstance(config, str):
        return _orrery.Source(config, "\n" in config or ": " in config)
    if isinstance(config, os.PathLike):
        return _orrery.Source(os.fspath(config), False)
    raise TypeError(f"a configuration is a path, a YAML text or a dict, not a {type(config).__name__}")


def _settings(
    changes: Optional[Settings], engine: Optional[str] = None, fold: Optional[bool] = None
) -> List[str]:
    """As "key=value". A str is taken as it stands, as at the command line; anything else as the value it is."""
    if changes is None:
        sets = []
    elif isinstance(changes, Mapping):
        sets = [f"{key}={value if isinstance(value, str) else _yaml(value)}" for key, value in changes.items()]
    else:
        sets = [*changes] if not isinstance(changes, str) else [changes]
    if fold is not None:
        sets.append(f"fold={_yaml(bool(fold))}")
    if engine is not None:
        sets.append(f"engine={engine}")
    return sets


def _within(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        message = f"expected {least} to {most}, not {value}"
        raise InputError(f"{name}: {message}", key=name, message=message)
    return value


class Simulation:
    """A simulated step: its result, and when each task ran."""

    def __init__(self, outcome: _orrery.Outcome) -> None:
        self._outcome = outcome
        self._result: Optional[Dict[str, Any]] = None
        self._timeline: Optional[Dict[str, Any]] = None

    @property
    def result(self) -> Dict[str, Any]:
        """What `orrery run --json` prints (docs/result.schema.json)."""
        if self._result is None:
            self._result = json.loads(self._outcome.result_json())
        return self._result

    @property
    def timeline(self) -> Dict[str, Any]:
        """NumPy arrays with one entry a task, by rank and then in the order of issue.

        rank        the GPU's number in the cluster; of ranks that do the same work, one is simulated
        stage       the rank's place in the pipeline
        stream, kind, phase, name    what runs where; numbers that index into categories[...]
        microbatch, layer            -1 where a task belongs to none
        chunk, slice
        bytes       that a collective or copy carries, or a kernel moves
        start, end  seconds from the start of the step
        categories  {"stream": [...], "kind": [...], "phase": [...], "name": [...]}
        """
        if self._timeline is None:
            self._timeline = self._outcome.timeline()
        return self._timeline

    @property
    def too_large(self) -> str:
        """Empty when every GPU's memory suffices; otherwise how much is missing and what to change."""
        return self._outcome.too_large()

    def write(self, folder: Union[str, "os.PathLike[str]"]) -> None:
        """Writes result.json, report.html and trace.json.gz, as `orrery run --out` does."""
        self._outcome.write(os.fspath(folder))

    def __repr__(self) -> str:
        result = self.result
        return f"<orrery.Simulation {result['experiment']}: step {result['step_time_s']:.6g} s on {result['gpus']} GPUs>"


def simulate(
    config: Config,
    *,
    set: Optional[Settings] = None,
    engine: Optional[str] = None,
    fold: Optional[bool] = None,
    links: bool = False,
    timing: bool = False,
) -> Simulation:
    """Simulates one step.

    set      settings to change: {"parallel.tp": 4}, or ["parallel.tp=4"] as at the command line
    engine   "replay", "flow" or "simgrid"
    fold     False: simulate every rank, also those that do the same work
    links    work out what each network link carries
    timing   report the simulation's own wall-clock time too

    A plan that needs more memory than a GPU has is simulated all the same; see Simulation.too_large.
    """
    return Simulation(_orrery.simulate(_source(config), _settings(set, engine, fold), links, timing))


def run(
    config: Config,
    *,
    set: Optional[Settings] = None,
    engine: Optional[str] = None,
    fold: Optional[bool] = None,
    links: bool = False,
    timing: bool = False,
    out: Union[None, str, "os.PathLike[str]"] = None,
) -> Dict[str, Any]:
    """Simulates one step and returns its result, a dict equal to result.json. Arguments as for simulate(); with `out`
    the reports are written into that folder."""
    done = simulate(config, set=set, engine=engine, fold=fold, links=links or out is not None, timing=timing)
    if out is not None:
        done.write(out)
    return done.result


def compare(
    configs: Union[Config, Sequence[Config]],
    *,
    set: Optional[Settings] = None,
    engine: Optional[str] = None,
    fold: Optional[bool] = None,
    out: Union[None, str, "os.PathLike[str]"] = None,
) -> Dict[str, Any]:
    """Simulates several experiments: a list of configurations, or one that varies keys (vary:).

    Returns {"results": [...]} in their order, and of one that varies keys also "front", the names on the front of step
    time and memory, and "refused", {name: why} of those that cannot be.
    """
    given = [configs] if isinstance(configs, (str, os.PathLike, Mapping)) else [*configs]
    sources = [_source(config) for config in given]
    folder = "" if out is None else os.fspath(out)
    return json.loads(_orrery.compare(sources, _settings(set, engine, fold), folder))


class Sweep(NamedTuple):
    """What became of a study."""

    points: Columns
    """NumPy columns with one entry a point, by number: "id", "status" ("ok", "too_large", "excluded", "illegal", "failed",
    "pruned"), "reason", every setting ("parallel.tp") and every figure ("step_time_s"; nan where it was not simulated)."""
    summary: Dict[str, Any]
    """The counts and the best points: what study.json holds."""

    def where(self, mask: Any) -> Columns:
        """The points where the mask holds: sweep.where(sweep.points["status"] == "ok")."""
        return {name: column[mask] for name, column in self.points.items()}


def sweep(
    study: Config,
    *,
    set: Optional[Settings] = None,
    jobs: int = 0,
    best: Optional[int] = None,
    out: Union[None, str, "os.PathLike[str]"] = None,
    resume: bool = False,
    charts: int = 5,
) -> Sweep:
    """Simulates every point of a study, on all cores.

    study    a study (vary:, where:, objective:): a name in configs/studies, a path, a YAML text or a dict
    jobs     threads; 0: all cores
    best     only the best so many are asked for: points whose bound is worse are counted, not simulated
    out      a folder to keep study.sqlite, points.csv, study.json and report.html in
    resume   go on with the results in that folder
    charts   so many Gantt charts of the best points in report.html

    Ctrl-C ends it; with `out` and resume=True the next call goes on where it stopped.
    """
    _within("jobs", jobs, 0, 4096)
    _within("charts", charts, 0, 50)
    most = 0 if best is None else _within("best", best, 1, 1_000_000)
    source, sets = _source(study), _settings(set)

    def results_in(folder: str, reports: bool) -> Sweep:
        summary, points = _orrery.sweep(source, sets, folder, jobs, most, charts, resume, reports)
        return Sweep(points, json.loads(summary))

    if out is not None:
        return results_in(os.fspath(out), True)
    with tempfile.TemporaryDirectory(prefix="orrery-", ignore_cleanup_errors=True) as folder:
        return results_in(folder, False)


def query(results: Union[str, "os.PathLike[str]"], where: str = "", select: str = "") -> Columns:
    """Asks the study.sqlite of a sweep, or the folder it is in: query("out/mine", "where mfu > 0.5", select="tp, mfu").
    Returns NumPy columns. Texts are SQL, as for `orrery query`."""
    path = os.fspath(results)
    return _orrery.query(os.path.join(path, "study.sqlite") if os.path.isdir(path) else path, select, where)


def _times(value: Union[float, Sequence[float]]) -> str:
    return ",".join(repr(float(one)) for one in ([value] if isinstance(value, (int, float)) else value))


def schedule(
    name: str,
    *,
    stages: Optional[int] = None,
    microbatches: Optional[int] = None,
    chunks: Optional[int] = None,
    slices: Optional[int] = None,
    forward: Union[float, Sequence[float]] = 1.0,
    backward_input: Union[float, Sequence[float]] = 1.0,
    backward_weight: Union[float, Sequence[float]] = 1.0,
    comm: float = 0.0,
    overlapped: Optional[float] = None,
    transfer: float = 0.0,
    memory_limit: Optional[float] = None,
    released_at_backward: Optional[float] = None,
    time_limit: Optional[float] = None,
    variant: str = "",
    timeline: bool = False,
) -> Dict[str, Any]:
    """A bare pipeline schedule, without model or cluster: a name of list("schedules"), or an order file (.csv, .yaml).

    Times are of one micro-batch on one device's share, in any unit; a list has one for each device or virtual stage.
    Arguments are the options of `orrery schedule`, and the dict is what its --json prints. With timeline=True it also has
    "timeline": NumPy arrays device, stage, kind, microbatch, slice, start, end with one entry an action.
    """
    request = _orrery.ScheduleRequest()
    request.name = os.fspath(name)
    request.stages, request.microbatches, request.chunks, request.slices = stages, microbatches, chunks, slices
    request.forward = _times(forward)
    request.backward_input = _times(backward_input)
    request.backward_weight = _times(backward_weight)
    request.comm, request.overlapped, request.transfer = comm, overlapped, transfer
    request.memory_limit, request.released_at_backward = memory_limit, released_at_backward
    request.time_limit, request.variant = time_limit, variant
    text, arrays = _orrery.schedule(request)
    result = json.loads(text)
    if timeline:
        result["timeline"] = arrays
    return result


def collective(
    kind: str,
    *,
    bytes: int,
    ranks: int,
    cluster: str,
    ranks_per_node: int = 0,
    sharing_groups: int = 0,
    algorithm: str = "",
    protocol: str = "",
    calibration: str = "",
    engine: str = "replay",
    skew: float = 0.0,
) -> Dict[str, Any]:
    """A bare collective on a cluster: what `orrery collective --json` prints.

    bytes            of the full buffer: an all-gather's output, what one rank of an all-to-all sends in all
    ranks_per_node   GPUs used of each node; 0: all
    algorithm, protocol    forced; empty: as NCCL's tuner chooses
    engine           "replay", "flow", "messages" or "simgrid"
    skew             of an all-to-all-v: rank j gets a share of 1 / (j + 1)^skew
    """
    return json.loads(
        _orrery.collective(
            kind=kind,
            bytes=_within("bytes", bytes, 1, 2**63 - 1),
            ranks=_within("ranks", ranks, 1, 1 << 20),
            cluster=os.fspath(cluster),
            ranks_per_node=_within("ranks_per_node", ranks_per_node, 0, 1024),
            sharing_groups=_within("sharing_groups", sharing_groups, 0, 1024),
            algorithm=algorithm,
            protocol=protocol,
            calibration=os.fspath(calibration),
            engine=engine,
            skew=skew,
        )
    )


def list(kind: str) -> List[Dict[str, str]]:
    """What exists: list("models"), "clusters", "schedules", "strategies", "planners", "calibrations", "software". Each
    {"name", "summary"}."""
    return [{"name": name, "summary": summary} for name, summary in _orrery.list_items(kind)]
