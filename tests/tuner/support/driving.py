"""Runs given params on Ray without journal and tracking."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from tuner.controller.controller import Controller
from tuner.controller.retry import RetryPolicy
from tuner.controller.stacking import stacking_of
from tuner.journal.record import EventListener, StudyRecord, TrialRecord
from tuner.schedulers.factory import build_scheduler
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.searchers.searcher import Searcher
from tuner.space.space import Params
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.trial_module import TrialModule


def run_searcher(
    study: Study, searcher: Searcher, out: Path, slots: int = 1, listeners: Sequence[EventListener] = ()
) -> list[TrialRecord]:
    """Run what a searcher proposes on the connected cluster; return the trials by number."""
    from tuner.execution.ray_tune.run import run_on_ray

    storage, record = Storage(str(out)), StudyRecord(study.metric.name, listeners)
    policy = RetryPolicy(study.retries, TrialModule(study.trial).retry_settings)
    controller = Controller(
        study, searcher, build_scheduler(study), record, storage, policy, stacking=stacking_of(study)
    )
    run_on_ray(controller, storage, out, slots, threading.Event())
    return record.ordered


def run_points(study: Study, points: Sequence[Params], out: Path) -> tuple[OptunaSearcher, list[TrialRecord]]:
    """Run given params one after another; return the searcher, too, for its Optuna study."""
    known = [*([] if study.default is None else [study.default]), *points]
    content = study.to_dict() | {"points": list(points), "trials": len(known)}
    sampler = OptunaSearcher(Study.model_validate(content))
    return sampler, run_searcher(Study.model_validate(content), sampler, out)
