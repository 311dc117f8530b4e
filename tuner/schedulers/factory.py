"""Which rule a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from tuner.schedulers.asha import ASHA
from tuner.schedulers.early_discarding import EarlyDiscarding
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.median import MedianStopping
from tuner.schedulers.pbt import PBT
from tuner.schedulers.race import Race
from tuner.schedulers.scheduler import Scheduler
from tuner.study.study import Study

SCHEDULERS: dict[str, Callable[[Study], Scheduler]] = {
    "asha": ASHA,
    "median": MedianStopping,
    "race": Race,
    "one-epoch": EarlyDiscarding,
    "pbt": PBT,
}


def build_scheduler(study: Study) -> Scheduler:
    """The scheduler of one search, which has seen nothing yet."""
    name = study.scheduler.name
    if name == "pb2":
        from tuner.schedulers.pb2 import PB2  # scikit-learn takes a second to import

        return PB2(study)
    return FIFO() if name == "none" else SCHEDULERS[name](study)
