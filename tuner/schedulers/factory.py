"""Which rule a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from tuner.schedulers.asha import Asha
from tuner.schedulers.early_discarding import OneEpoch
from tuner.schedulers.fifo import Free
from tuner.schedulers.median import Median
from tuner.schedulers.pbt import Population
from tuner.schedulers.race import Race
from tuner.schedulers.scheduler import Rule
from tuner.study.study import Study

RULES: dict[str, Callable[[Study], Rule]] = {
    "asha": Asha,
    "median": Median,
    "race": Race,
    "one-epoch": OneEpoch,
    "pbt": Population,
}


def build_rule(study: Study) -> Rule:
    """The scheduler of one search, which has seen nothing yet."""
    name = study.scheduler.name
    if name == "pb2":
        from tuner.schedulers.pb2 import Bandit  # scikit-learn takes a second to import

        return Bandit(study)
    return Free() if name == "none" else RULES[name](study)
