from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

version: str

class Source:
    def __init__(self, value: str, is_text: bool) -> None: ...

class Outcome:
    def result_json(self) -> str: ...
    def too_large(self) -> str: ...
    def timeline(self) -> Dict[str, Any]: ...
    def write(self, folder: str) -> None: ...

class ScheduleRequest:
    name: str
    stages: Optional[int]
    microbatches: Optional[int]
    chunks: Optional[int]
    slices: Optional[int]
    forward: str
    backward_input: str
    backward_weight: str
    comm: float
    overlapped: Optional[float]
    transfer: float
    memory_limit: Optional[float]
    released_at_backward: Optional[float]
    time_limit: Optional[float]
    variant: str

def simulate(source: Source, sets: Sequence[str], links: bool, timing: bool) -> Outcome: ...
def compare(sources: Sequence[Source], sets: Sequence[str], out: str) -> str: ...
def sweep(
    source: Source,
    sets: Sequence[str],
    out: str,
    jobs: int,
    best: int,
    charts: int,
    resume: bool,
    reports: bool,
) -> Tuple[str, Dict[str, numpy.ndarray]]: ...
def query(file: str, select: str, rest: str) -> Dict[str, numpy.ndarray]: ...
def schedule(request: ScheduleRequest) -> Tuple[str, Dict[str, Any]]: ...
def collective(
    kind: str,
    bytes: int,
    ranks: int,
    cluster: str,
    ranks_per_node: int,
    sharing_groups: int,
    algorithm: str,
    protocol: str,
    calibration: str,
    engine: str,
    skew: float,
) -> str: ...
def list_items(kind: str) -> List[Tuple[str, str]]: ...
def list_kinds() -> List[str]: ...
