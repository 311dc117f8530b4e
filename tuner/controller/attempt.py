"""What is run: one attempt at one trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """One run of a trial function.

    Attributes:
        number: the trial's.
        count: which attempt of this session it is, from 1.
        config: what the trial function is given.
        checkpoint: name of the state to go on from, or None.
        epoch: reports that this state stands for.
        cloned: whether another trial saved it, with other settings.
        key: what those have in common that can be in one stack with it; None where it runs alone.
    """

    number: int
    count: int
    config: dict[str, Any]
    checkpoint: str | None
    epoch: int
    cloned: bool
    key: str | None = None
