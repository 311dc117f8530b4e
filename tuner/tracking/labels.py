"""Names, tags and parameters of the runs of a search in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.journal.record import State
from tuner.study.study import Study


def study_tags(study: Study, search: str) -> dict[str, str]:
    """Return the tags of the study's run; `search` is the id of the search."""
    return {
        "kind": study.run_kind, "mlflow.runName": study.name, "study": study.name, "state": State.RUNNING,
        "search_id": search,
    }  # fmt: skip


def study_params(study: Study) -> dict[str, Any]:
    """Return how the search is set up, as parameters of the study's run."""
    return {
        "trial": study.trial, "trials": study.trials, "epochs": study.epochs,
        "metric": study.metric.name, "mode": study.metric.mode, "sampler": study.sampler.name,
        "seed": study.sampler.seed, "scheduler": study.scheduler.name,
    }  # fmt: skip


def trial_tags(study: Study, number: int, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a trial's run, without those that tie it to its search."""
    name, own = f"{number:04d}", study.tags(params)
    return {
        "kind": study.trial_kind, "mlflow.runName": " ".join(own.values()) or name, "study": study.name,
        "trial_id": name, "state": State.RUNNING, **own,
    }  # fmt: skip


def trial_params(study: Study, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial's run: only what is searched."""
    labels: dict[str, Any] = dict(study.tags(params))
    for path, dimension in study.search.items():
        labels |= dimension.params(path, params[path]) if path in params else {}
    return labels


def trial_names(study: Study) -> list[str]:
    """Return every parameter that a trial's run may have, in the order of the study file."""
    names: dict[str, None] = {}
    for path, dimension in study.search.items():
        for value in dimension.ends():
            names |= dict.fromkeys(dimension.params(path, value))
    return list(names)
