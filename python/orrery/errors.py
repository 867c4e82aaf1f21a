"""What Orrery raises. Every exception is an OrreryError."""

from __future__ import annotations

from typing import List, Optional, Sequence

__all__ = ["OrreryError", "InputError", "CannotRun", "SimulationError", "MissingCapability"]


class OrreryError(Exception):
    """The base of all of them."""


class InputError(OrreryError, ValueError):
    """Something that was written is wrong: a key, a value, a name. str() reads "file:line:column: key: message".

    file     the file, "<config>" for a text or a dict, "--set ..." for a setting; None where there is none
    line     counted from 1, or None
    column   counted from 1, or None
    key      the dotted key ("parallel.tp") or the argument's name, or None
    message  what was expected, with the nearest valid name where one exists
    """

    def __init__(
        self,
        text: str,
        file: Optional[str] = None,
        line: Optional[int] = None,
        column: Optional[int] = None,
        key: Optional[str] = None,
        message: Optional[str] = None,
    ) -> None:
        super().__init__(text)
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.message = text if message is None else message


class CannotRun(OrreryError, RuntimeError):
    """A well-formed experiment that cannot run; the message says what to change."""


class SimulationError(CannotRun):
    """A program that cannot proceed. `cycle` names the ranks and tasks of a deadlock, in order."""

    def __init__(self, text: str, cycle: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.cycle: List[str] = [*cycle]


class MissingCapability(OrreryError, RuntimeError):
    """This build or machine lacks what was asked for (SimGrid, MPI, a GPU)."""
