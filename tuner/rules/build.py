"""Which rule a study asks for."""

from __future__ import annotations

from collections.abc import Callable

from tuner.definition import Study
from tuner.rules.asha import Asha
from tuner.rules.free import Free
from tuner.rules.median import Median
from tuner.rules.one_epoch import OneEpoch
from tuner.rules.population import Population
from tuner.rules.race import Race
from tuner.rules.rule import Rule

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
        from tuner.rules.bandit import Bandit  # scikit-learn takes a second to import

        return Bandit(study)
    return Free() if name == "none" else RULES[name](study)
