"""Points of one's own run on Ray, without journal and tracking: what the conductor makes of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from tuner.controller.controller import Conductor
from tuner.controller.retry import Policy
from tuner.controller.stacking import stacking_of
from tuner.journal.record import Record, TrialRecord
from tuner.schedulers.factory import build_rule
from tuner.searchers.optuna_searcher import Sampler
from tuner.searchers.searcher import Source
from tuner.space.space import Point
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.trial_module import load_relieve


def run_source(study: Study, source: Source, out: Path, slots: int = 1) -> list[TrialRecord]:
    """Run what a source has, on the connected cluster; the trials by number."""
    from tuner.execution.ray_tune.run import run_on_ray

    storage, record = Storage(str(out)), Record(study.metric.name)
    policy = Policy(study.retries, load_relieve(study.trial))
    conductor = Conductor(
        study, source, build_rule(study), record, storage, policy, stacking=stacking_of(study)
    )
    run_on_ray(conductor, storage, out, slots, threading.Event())
    return record.ordered


def run_points(study: Study, points: Sequence[Point], out: Path) -> tuple[Sampler, list[TrialRecord]]:
    """Run given points, one after another, in their order; also what Optuna was told."""
    known = [*([] if study.default is None else [study.default]), *points]
    content = study.plain() | {"points": list(points), "trials": len(known)}
    sampler = Sampler(Study.model_validate(content))
    return sampler, run_source(Study.model_validate(content), sampler, out)
