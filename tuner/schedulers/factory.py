"""The scheduler that a study names."""

from __future__ import annotations

from tuner.schedulers.early_discarding import EarlyDiscarding
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.pbt import PBT
from tuner.schedulers.race import Race
from tuner.schedulers.scheduler import Scheduler
from tuner.study.study import Study


def build_scheduler(study: Study) -> Scheduler:
    """Return a new scheduler for one search.

    Modules that import Ray or scikit-learn, each for about a second, are imported only for a study that needs
    them.
    """
    name = study.scheduler.name
    if name == "asha":
        from tuner.schedulers.asha import ASHA

        return ASHA(study)
    if name == "median":
        from tuner.schedulers.median import MedianStopping

        return MedianStopping(study)
    if name == "pb2":
        from tuner.schedulers.pb2 import PB2

        return PB2(study)
    own = {"race": Race, "early-discarding": EarlyDiscarding, "pbt": PBT}
    return own[name](study) if name in own else FIFO()
