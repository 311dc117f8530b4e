"""The module of a study's trial function: the function, by name, and its optional hooks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from tuner.errors import StudyError, nearest
from tuner.trial import Config, RetrySettings, RunStack, TrialFunction

Prepare = Callable[[dict[str, Any]], dict[str, Any]]
Arms = Callable[[Config], dict[str, dict[str, Any]]]
Reseeded = Callable[[Config, int], dict[int, dict[str, Any]]]
Describe = Callable[[Config], dict[str, Any]]
Cost = Callable[[Config], float]
DrawPlots = Callable[[Path], None]
AsMlflowModel = Callable[[Path], Mapping[str, Any] | None]
Exits = Callable[[Config, Mapping[str, float]], list[dict[str, Any]]]
Export = Callable[[Config, Path, Path, Mapping[str, Any]], None]
TradeOff = Callable[[Config, Path, Sequence[float]], list[dict[str, Any]]]
Stackable = Callable[[Config], str]
ReportSections = Callable[[dict[str, Any], list[dict[str, Any]]], list[dict[str, Any]]]


class Check(Protocol):
    """Builds one configuration; with `step` it also opens the data and trains one step."""

    def __call__(self, config: Config, step: bool) -> None: ...


class TrialModule:
    """The module of a trial function: the function itself and its hooks.

    A hook that the module lacks is None.

    Args:
        name: `package.module:function`, as in a study file.

    Raises:
        StudyError: no such module.
    """

    prepare: Prepare | None
    check: Check | None
    describe: Describe | None
    retry_settings: RetrySettings | None
    cost: Cost | None
    draw_plots: DrawPlots | None
    as_mlflow_model: AsMlflowModel | None
    report_sections: ReportSections | None
    arms: Arms | None
    reseeded: Reseeded | None
    run_stack: RunStack | None
    stackable: Stackable | None
    exits: Exits | None
    export: Export | None
    trade_off: TradeOff | None

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = _module(name)
        for hook in HOOKS:
            setattr(self, hook, getattr(self.module, hook, None))

    @cached_property
    def function(self) -> TrialFunction:
        """The trial function.

        Raises:
            StudyError: no such function, or one that does not take (config, context).
        """
        attribute = self.name.partition(":")[2]
        function = getattr(self.module, attribute, None)
        if not callable(function):
            public = [key for key, value in vars(self.module).items() if callable(value) and key[0] != "_"]
            raise StudyError(
                f"trial {self.name}: {self.module.__name__} has no function `{attribute}`;"
                f" {nearest(attribute, public)}"
            )
        try:
            inspect.signature(function).bind({}, None)
        except TypeError as error:
            raise StudyError(f"trial {self.name}: must take (config, context), but {error}") from error
        trial_function: TrialFunction = function
        return trial_function

    def require(self, hook: str, needed_by: str) -> Any:
        """Return a hook that something needs.

        Args:
            hook: its name.
            needed_by: subject and verb, such as "an ablation needs".
        Raises:
            StudyError: the module does not have it.
        """
        function = getattr(self, hook)
        if not callable(function):
            way_out = "add the function (tuner/trial.py)"
            raise StudyError(f"trial {self.name}: has no `{hook}`, which {needed_by}; {way_out}")
        return function

    def prepared_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings after `prepare`, unchanged where there is none.

        Raises:
            StudyError: `prepare` did not return a mapping.
            ValueError, OSError: raised by `prepare` for the user.
        """
        result = settings if self.prepare is None else self.prepare(settings)
        if not isinstance(result, dict):
            raise StudyError(
                f"trial {self.name}: prepare must return the settings, got {type(result).__name__}"
            )
        return result


HOOKS = tuple(TrialModule.__annotations__)
_warned: set[str] = set()


def trial_name(trial: Any) -> Any:
    """Return the name `module:function` of a trial given as a function; anything else is returned as it is.

    A name is what journal and best.yaml record, and what a worker process imports. So only a function can
    be given that another process finds under its name.

    Raises:
        ValueError: a lambda, a closure, a method, an object, or a function of the script that runs.
    """
    if not callable(trial):
        return trial
    module, name = getattr(trial, "__module__", None), getattr(trial, "__qualname__", None)
    way_out = "define it with `def` at the top level of a module and import it from there"
    if not module or not name:
        raise ValueError(f"needs a function that can be pickled by name, got {trial!r}; {way_out}")
    if module == "__main__":
        rule = "needs a function that worker processes can import"
        raise ValueError(f"{rule}, got `{name}` of the running script (__main__); {way_out}")
    if getattr(sys.modules.get(module), name, None) is not trial:
        kind = "a lambda" if "<lambda>" in name else "a nested function" if "<locals>" in name else "a member"
        raise ValueError(f"needs a function that can be pickled by name, got {kind}, `{name}`; {way_out}")
    return f"{module}:{name}"


def warn_of_misspelt_hooks(trial: TrialModule) -> None:
    """Print one line on stderr, once per process, for each function named almost like a missing hook.

    Only public functions that the module itself defines count: an imported name is not meant as a hook.
    """
    module, function = trial.module, trial.name.partition(":")[2]
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if not own or name.startswith("_") or name == function or name in HOOKS:
            continue
        near = get_close_matches(name, HOOKS, n=1, cutoff=0.8)
        place = f"{module.__name__}: `{name}`"
        if near and not hasattr(module, near[0]) and place not in _warned:
            _warned.add(place)
            print(f"warning: {place} is no hook of a trial; did you mean `{near[0]}`?", file=sys.stderr)


def _module(name: str) -> ModuleType:
    path = name.partition(":")[0]
    if "" not in sys.path:
        sys.path.append("")  # a custom trial function is found beside the study, as with `python -m`
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f"{error.name}.")):
            way_out = "install the package, or start in the folder that holds it"
            raise StudyError(f"trial {name}: no module {error.name}; {way_out}") from error
        raise StudyError(f"trial {name}: {path} itself needs {error.name}, which is not installed") from error
