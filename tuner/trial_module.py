"""From a trial function's name to the function and its optional companions."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from tuner.errors import StudyError, nearest
from tuner.trial import Params, Relieve, RunStack, TrialFunction

Prepare = Callable[[dict[str, Any]], dict[str, Any]]
Arms = Callable[[Params], dict[str, dict[str, Any]]]
Seeded = Callable[[Params, int], dict[int, dict[str, Any]]]
Describe = Callable[[Params], dict[str, Any]]
Cost = Callable[[Params], float]
Illustrate = Callable[[Path], None]
Served = Callable[[Path], Mapping[str, Any] | None]
Exits = Callable[[Params, Mapping[str, float]], list[dict[str, Any]]]
Export = Callable[[Params, Path, Path, Mapping[str, Any]], None]
TradeOff = Callable[[Params, Path, Sequence[float]], list[dict[str, Any]]]
Stackable = Callable[[Params], str]
Sections = Callable[[dict[str, Any], list[dict[str, Any]]], list[dict[str, Any]]]


class Check(Protocol):
    """Builds one configuration; with `step` it opens the data and trains one step."""

    def __call__(self, params: Params, step: bool) -> None: ...


def load_trial(name: str) -> TrialFunction:
    """The trial function named `package.module:function`.

    Raises:
        StudyError: no such module or function, or one that does not take (params, context).
    """
    module, attribute = _module(name), name.partition(":")[2]
    function = getattr(module, attribute, None)
    if not callable(function):
        public = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise StudyError(
            f"trial {name}: {module.__name__} has no function `{attribute}`; {nearest(attribute, public)}"
        )
    try:
        inspect.signature(function).bind({}, None)
    except TypeError as error:
        raise StudyError(f"trial {name}: must take (params, context), but {error}") from error
    found: TrialFunction = function
    return found


def load_prepare(name: str) -> Prepare | None:
    """`prepare(settings)` beside the trial function, where there is one."""
    found: Prepare | None = getattr(_module(name), "prepare", None)
    return found


def load_check(name: str) -> Check | None:
    """`check(params, step)` beside the trial function, where there is one."""
    found: Check | None = getattr(_module(name), "check", None)
    return found


def load_describe(name: str) -> Describe | None:
    """`describe(params)` beside the trial function, where there is one."""
    found: Describe | None = getattr(_module(name), "describe", None)
    return found


def load_relieve(name: str) -> Relieve | None:
    """`relieve(params, cause)` beside the trial function, where there is one."""
    found: Relieve | None = getattr(_module(name), "relieve", None)
    return found


def load_cost(name: str) -> Cost | None:
    """`cost(params)` beside the trial function, where there is one."""
    found: Cost | None = getattr(_module(name), "cost", None)
    return found


def load_illustrate(name: str) -> Illustrate | None:
    """`illustrate(folder)` beside the trial function, where there is one."""
    found: Illustrate | None = getattr(_module(name), "illustrate", None)
    return found


def load_served(name: str) -> Served | None:
    """`served(exported)` beside the trial function, where there is one."""
    found: Served | None = getattr(_module(name), "served", None)
    return found


def load_sections(name: str) -> Sections | None:
    """`sections(study, trials)` beside the trial function, where there is one."""
    found: Sections | None = getattr(_module(name), "sections", None)
    return found


def load_arms(name: str) -> tuple[Arms, Seeded]:
    """`arms(params)` and `seeded(params, count)` beside the trial function.

    Raises:
        StudyError: it lacks one of them.
    """
    arms: Arms = _needed(name, "arms", "an ablation needs")
    seeded: Seeded = _needed(name, "seeded", "an ablation needs")
    return arms, seeded


def load_stack(name: str) -> tuple[RunStack, Stackable]:
    """`run_stack(params, contexts, more)` and `stackable(params)` beside the trial function.

    Raises:
        StudyError: it lacks one of them.
    """
    run: RunStack = _needed(name, "run_stack", "`resources.stack` needs")
    stackable: Stackable = _needed(name, "stackable", "`resources.stack` needs")
    return run, stackable


def load_seeded(name: str) -> Seeded:
    """`seeded(params, count)` beside the trial function.

    Raises:
        StudyError: it has none.
    """
    seeded: Seeded = _needed(name, "seeded", "`finalists` need")
    return seeded


def load_exits(name: str) -> Exits | None:
    """`exits(params, metrics)` beside the trial function, where there is one."""
    found: Exits | None = getattr(_module(name), "exits", None)
    return found


def load_export(name: str) -> Export:
    """`export(params, state, into, choice)` beside the trial function.

    Raises:
        StudyError: it has none.
    """
    export: Export = _needed(name, "export", "an export needs")
    return export


def load_trade_off(name: str) -> TradeOff:
    """`trade_off(params, state)` beside the trial function.

    Raises:
        StudyError: it has none.
    """
    trade_off: TradeOff = _needed(name, "trade_off", "a look at early exits needs")
    return trade_off


def _needed(name: str, wanted: str, by: str) -> Any:
    companion = getattr(_module(name), wanted, None)
    if not callable(companion):
        raise StudyError(f"trial {name}: has no `{wanted}`, which {by}; add the function (tuner/trial.py)")
    return companion


def prepare_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings after the trial module's `prepare`, unchanged where it has none.

    Raises:
        StudyError: `prepare` gave back something else than a mapping.
        ValueError, OSError: what `prepare` itself raises for the user.
    """
    prepare = load_prepare(name)
    prepared = settings if prepare is None else prepare(settings)
    if not isinstance(prepared, dict):
        raise StudyError(f"trial {name}: prepare must return the settings, got {type(prepared).__name__}")
    return prepared


def _module(name: str) -> ModuleType:
    path = name.partition(":")[0]
    if "" not in sys.path:
        sys.path.append("")  # a trial function of one's own is found beside the study, as with `python -m`
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f"{error.name}.")):
            way_out = "install the package, or start in the folder that holds it"
            raise StudyError(f"trial {name}: no module {error.name}; {way_out}") from error
        raise StudyError(f"trial {name}: {path} itself needs {error.name}, which is not installed") from error
