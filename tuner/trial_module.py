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
from tuner.trial import Config, RetrySettings, RunStack, TrialFunction

Prepare = Callable[[dict[str, Any]], dict[str, Any]]
Arms = Callable[[Config], dict[str, dict[str, Any]]]
Seeded = Callable[[Config, int], dict[int, dict[str, Any]]]
Describe = Callable[[Config], dict[str, Any]]
Cost = Callable[[Config], float]
Illustrate = Callable[[Path], None]
Served = Callable[[Path], Mapping[str, Any] | None]
Exits = Callable[[Config, Mapping[str, float]], list[dict[str, Any]]]
Export = Callable[[Config, Path, Path, Mapping[str, Any]], None]
TradeOff = Callable[[Config, Path, Sequence[float]], list[dict[str, Any]]]
Stackable = Callable[[Config], str]
Sections = Callable[[dict[str, Any], list[dict[str, Any]]], list[dict[str, Any]]]


class Check(Protocol):
    """Builds one configuration; with `step` it opens the data and trains one step."""

    def __call__(self, config: Config, step: bool) -> None: ...


def load_trial(name: str) -> TrialFunction:
    """The trial function named `package.module:function`.

    Raises:
        StudyError: no such module or function, or one that does not take (config, context).
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
        raise StudyError(f"trial {name}: must take (config, context), but {error}") from error
    found: TrialFunction = function
    return found


def load_prepare(name: str) -> Prepare | None:
    """`prepare(settings)` beside the trial function, where there is one."""
    found: Prepare | None = getattr(_module(name), "prepare", None)
    return found


def load_check(name: str) -> Check | None:
    """`check(config, step)` beside the trial function, where there is one."""
    found: Check | None = getattr(_module(name), "check", None)
    return found


def load_describe(name: str) -> Describe | None:
    """`describe(config)` beside the trial function, where there is one."""
    found: Describe | None = getattr(_module(name), "describe", None)
    return found


def load_relieve(name: str) -> RetrySettings | None:
    """`retry_settings(config, cause)` beside the trial function, where there is one."""
    found: RetrySettings | None = getattr(_module(name), "retry_settings", None)
    return found


def load_cost(name: str) -> Cost | None:
    """`cost(config)` beside the trial function, where there is one."""
    found: Cost | None = getattr(_module(name), "cost", None)
    return found


def load_illustrate(name: str) -> Illustrate | None:
    """`draw_plots(folder)` beside the trial function, where there is one."""
    found: Illustrate | None = getattr(_module(name), "draw_plots", None)
    return found


def load_served(name: str) -> Served | None:
    """`as_mlflow_model(exported)` beside the trial function, where there is one."""
    found: Served | None = getattr(_module(name), "as_mlflow_model", None)
    return found


def load_sections(name: str) -> Sections | None:
    """`report_sections(study, trials)` beside the trial function, where there is one."""
    found: Sections | None = getattr(_module(name), "report_sections", None)
    return found


def load_arms(name: str) -> tuple[Arms, Seeded]:
    """`arms(config)` and `reseeded(config, count)` beside the trial function.

    Raises:
        StudyError: it lacks one of them.
    """
    arms: Arms = _needed(name, "arms", "an ablation needs")
    reseeded: Seeded = _needed(name, "reseeded", "an ablation needs")
    return arms, reseeded


def load_stack(name: str) -> tuple[RunStack, Stackable]:
    """`run_stack(config, contexts, more)` and `stackable(config)` beside the trial function.

    Raises:
        StudyError: it lacks one of them.
    """
    run: RunStack = _needed(name, "run_stack", "`resources.stack` needs")
    stackable: Stackable = _needed(name, "stackable", "`resources.stack` needs")
    return run, stackable


def load_seeded(name: str) -> Seeded:
    """`reseeded(config, count)` beside the trial function.

    Raises:
        StudyError: it has none.
    """
    reseeded: Seeded = _needed(name, "reseeded", "`finalists` need")
    return reseeded


def load_exits(name: str) -> Exits | None:
    """`exits(config, metrics)` beside the trial function, where there is one."""
    found: Exits | None = getattr(_module(name), "exits", None)
    return found


def load_export(name: str) -> Export:
    """`export(config, state, into, choice)` beside the trial function.

    Raises:
        StudyError: it has none.
    """
    export: Export = _needed(name, "export", "an export needs")
    return export


def load_trade_off(name: str) -> TradeOff:
    """`trade_off(config, state)` beside the trial function.

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
