"""Distributed hyperparameter search for any trial function.

    import tuner

    study = tuner.load_study("digits.yaml")
    result = tuner.search(study, "runs/digits")
    result.best.params, result.best.value
    tuner.open_study("runs/digits").to_dataframe()

The names below are public; everything else may change between releases. Importing this package imports
nothing but the standard library: each name is imported when it is first used.

Reading order of the packages: `study` and `space` (what is searched), `searchers` and `schedulers` (who
proposes, who stops), `controller` (what happens next) with `journal` and `storage` (what survives a crash),
`execution` (who runs it, `ray_tune` among them), `results`, `workflows` (where all parts meet).
Files at the root, for all packages: `trial` (the contract of a trial function), `trial_module` (finds it and
its hooks), `errors`, `strict` (base class of settings), `files` (atomic writes), `text` (durations, sizes),
`statistics` (paired comparisons).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.errors import StudyError
    from tuner.results.outcome import SearchResult
    from tuner.results.study_folder import StudyFolder
    from tuner.results.study_folder import read_study_folder as open_study
    from tuner.study.load import load_study
    from tuner.study.study import Study
    from tuner.trial import Context, StackContext
    from tuner.workflows.search import search

    __version__: str

__all__ = [
    "Context",
    "SearchResult",
    "StackContext",
    "Study",
    "StudyError",
    "StudyFolder",
    "__version__",
    "load_study",
    "open_study",
    "search",
]

_HOMES = {
    "Context": ("tuner.trial", "Context"),
    "SearchResult": ("tuner.results.outcome", "SearchResult"),
    "StackContext": ("tuner.trial", "StackContext"),
    "Study": ("tuner.study.study", "Study"),
    "StudyError": ("tuner.errors", "StudyError"),
    "StudyFolder": ("tuner.results.study_folder", "StudyFolder"),
    "load_study": ("tuner.study.load", "load_study"),
    "open_study": ("tuner.results.study_folder", "read_study_folder"),
    "search": ("tuner.workflows.search", "search"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fsd-tuner")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return globals().setdefault(name, getattr(import_module(module), attribute))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
