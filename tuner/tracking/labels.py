"""What the runs of a search are called in MLflow, and which parameters they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.journal.record import State
from tuner.study.study import Study


def study_tags(study: Study, search: str) -> dict[str, str]:
    """Tags of the study's own run; `search` is the search's id."""
    return {
        "kind": study.run_kind, "mlflow.runName": study.name, "study": study.name, "state": State.RUNNING,
        "search_id": search,
    }  # fmt: skip


def study_params(study: Study) -> dict[str, Any]:
    """How the search was set up."""
    return {
        "trial": study.trial, "trials": study.trials, "epochs": study.epochs,
        "metric": study.metric.name, "mode": study.metric.mode, "sampler": study.sampler.name,
        "seed": study.sampler.seed, "scheduler": study.scheduler.name,
    }  # fmt: skip


def trial_tags(study: Study, number: int, params: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a trial's run, but for what ties it to its search."""
    name, own = f"{number:04d}", study.tags(params)
    return {
        "kind": study.trial_kind, "mlflow.runName": " ".join(own.values()) or name, "study": study.name,
        "trial_id": name, "state": State.RUNNING, **own,
    }  # fmt: skip


def trial_params(study: Study, params: Mapping[str, Any]) -> dict[str, Any]:
    """Only what is searched."""
    shown: dict[str, Any] = dict(study.tags(params))
    for path, dimension in study.search.items():
        shown |= dimension.params(path, params[path]) if path in params else {}
    return shown


def trial_names(study: Study) -> list[str]:
    """Every parameter that a trial may show, in the order of the study file."""
    names: dict[str, None] = {}
    for path, dimension in study.search.items():
        for value in dimension.ends():
            names |= dict.fromkeys(dimension.params(path, value))
    return list(names)
