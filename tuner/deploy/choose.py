"""Choose the model to export: of the requested kind, the best within the limits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.deploy.models import Deployable
from tuner.errors import StudyError

_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_UNITS = {"": 1, "k": 1e3, "m": 1e6}


@dataclass(frozen=True)
class Limits:
    """Limits on latency (milliseconds) and parameters; None is no limit."""

    latency_ms: float | None = None
    parameters: float | None = None

    def excess(self, model: Deployable) -> float:
        """Return value / limit, the largest over the limits; above 1 a limit is exceeded."""
        pairs = [(model.latency_ms, self.latency_ms), (model.parameters, self.parameters)]
        return max((value / limit for value, limit in pairs if limit is not None), default=0.0)

    def words(self) -> str:
        """Return the limits as command-line options."""
        given = [("--max-latency-ms", self.latency_ms), ("--max-params", self.parameters)]
        return " ".join(f"{name} {limit:,g}" for name, limit in given if limit is not None)


def filter_models(
    models: Sequence[Deployable], exit_: int | None = None, ensemble: bool = False, early: float | None = None
) -> list[Deployable]:
    """Return the models to choose from: all, or those of one kind.

    Early exit is listed with the cost of the ensemble, which is its upper bound.

    Raises:
        StudyError: more than one kind, or no such model.
    """
    if (exit_ is not None) + ensemble + (early is not None) > 1:
        raise StudyError("export: give one of --exit, --ensemble and --early")
    if exit_ is not None:
        exits = [model for model in models if model.choice == {"exit": exit_}]
        if not exits:
            most = max((model.choice.get("exit", 0) for model in models), default=0)
            raise StudyError(f"--exit {exit_}: no trial has it; the trials have exits 1 to {most}")
        return exits
    if not ensemble and early is None:
        return list(models)
    several = [model for model in models if model.choice == {"ensemble": True}]
    if not several:
        raise StudyError("export: no trial has several exits to combine; give --exit 1")
    if early is None:
        return several
    return [replace(model, name=f"early exit {early:g}", choice={"early": early}) for model in several]


def best_within(models: Sequence[Deployable], latency_ms: float | None, params: str | None) -> Deployable:
    """Return the model with the lowest error within limits; raises as `choose`, and for a limit <= 0."""
    if latency_ms is not None and not 0 < latency_ms < math.inf:
        raise StudyError(f"--max-latency-ms {latency_ms}: needs a number above 0")
    return choose(models, Limits(latency_ms, None if params is None else read_count(params)))


def read_count(text: str) -> float:
    """Parse `300k`, `1.5M` or a plain number.

    Raises:
        StudyError: any other text.
    """
    match = _COUNT.fullmatch(text.strip())
    if match is None or not float(match[1]) > 0:
        raise StudyError(f"--max-params {text}: needs a number above 0, such as 300k or 1.5M")
    return float(match[1]) * _UNITS[match[2].lower()]


def choose(models: Sequence[Deployable], limits: Limits) -> Deployable:
    """Return the model with the lowest error within the limits; the cheaper one of equals.

    Raises:
        StudyError: no model is within the limits; names the nearest.
    """
    if not models:
        raise StudyError("export: no complete trial has such a model; see `fsd-tuner exits`")
    within = [model for model in models if limits.excess(model) <= 1]
    if not within:
        nearest = min(models, key=limits.excess)
        raise StudyError(f"no model is within {limits.words()}; the nearest is {nearest.words()}")
    return min(within, key=lambda model: (model.error, model.multiply_adds, model.parameters, model.trial))
