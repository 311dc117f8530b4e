"""The best trials of a search, trained again over seeds that the search has not used: a stage of its own.

The best of many trials owes a part of its value to its seed. Here every candidate gets the same fresh seeds,
and the mean decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.errors import StudyError
from tuner.journal.record import State, TrialRecord
from tuner.results.outcome import StageRun
from tuner.results.seed_race import LEAST, SeedRace, run_race
from tuner.results.selection import ranked
from tuner.searchers.searcher import Suggestion
from tuner.space.space import Params, with_values
from tuner.study.settings import Finalists
from tuner.study.study import Study
from tuner.trial_module import TrialModule

FOLDER = "finalists"
_SUFFIX = f"-{FOLDER}"
_INHERITED = (
    "trial", "epochs", "reports", "settings", "metric", "resources", "concurrency", "retries", "budget",
)  # fmt: skip


class Finals(Study):
    """A study whose params are (candidate, seed).

    Attributes:
        candidates: trial of the search -> what it changes in the settings, the best trial first.
        seeds: seed -> what it changes in the settings.
        alpha: level of the test that drops a candidate.
    """

    candidates: dict[int, dict[str, Any]]
    seeds: dict[int, dict[str, Any]]
    alpha: float

    def config(self, params: Any) -> dict[str, Any]:
        changes = {**self.candidates[params["candidate"]], **self.seeds[params["seed"]]} if params else {}
        return {**with_values(self.settings, changes), "epochs": self.epochs}

    def to_dict(self) -> dict[str, Any]:
        content = super().to_dict()
        own = ("candidates", "seeds", "alpha")
        return {key: content[key] for key in content if key not in own} | {"trials": 1}

    def tags(self, params: Mapping[str, Any]) -> dict[str, str]:
        return {"candidate": f"{params['candidate']:04d}", "seed": str(params["seed"])}

    @property
    def run_kind(self) -> str:
        return FOLDER

    @property
    def trial_noun(self) -> str:
        return "run"

    @property
    def trial_kind(self) -> str:
        return "finalist"

    @property
    def experiment(self) -> str:
        return self.name.removesuffix(_SUFFIX)


class SeedRounds:
    """Searcher that proposes all candidates with one seed, then with the next.

    A seed waits for the one before only where a candidate may be dropped by then, so the proposals do not
    depend on how many trials run at once.

    Args:
        finals: the study of the finalists.
    """

    def __init__(self, finals: Finals) -> None:
        self._finals = finals
        self._asked: list[Params] = []
        self._values: dict[int, dict[int, float]] = {}
        self._race = race_so_far(finals, self._values)

    @property
    def state(self) -> dict[str, Any]:
        return {}

    def ask(self) -> Suggestion | None:
        """Return the next run; None if a round has to end first, or the race is over."""
        race = self._race
        if race.over:
            return None
        for seed in list(self._finals.seeds)[: max(LEAST, len(race.seeds) + 1)]:
            for candidate in self._finals.candidates:
                params = {"candidate": candidate, "seed": seed}
                if candidate in race.standing and params not in self._asked:
                    self._asked.append(params)
                    return Suggestion(len(self._asked) - 1, params)
        return None

    def recall(self, suggestion: Suggestion) -> None:
        """Replay a run of an earlier session.

        Raises:
            StudyError: the earlier session had other candidates or seeds.
        """
        if self.ask() != suggestion:
            earlier = f"trial {suggestion.params['candidate']} with seed {suggestion.params['seed']}"
            way_out = f"resume with the earlier trials and finalists, or move the folder {FOLDER} away"
            raise StudyError(f"--resume: the finalists began with other candidates ({earlier}); {way_out}")

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """No-op: only the end of a run counts."""

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """Take the end of a run into account; a failed run has no value."""
        params = self._asked[number]
        value = metrics[self._finals.metric.name] if state is State.COMPLETE else math.nan
        self._values.setdefault(params["candidate"], {})[params["seed"]] = value
        self._race = race_so_far(self._finals, self._values)


def reason_not_run(searched: StageRun) -> str:
    """Return why the finalists of a search cannot be run, or ""."""
    if searched.halted and not searched.budget_over:
        return f"not run: {searched.halted}"
    complete = len(ranked(searched.record.ordered, searched.study.metric, searched.study.constraints))
    return f"not run: finalists need 2 complete trials, got {complete}" if complete < 2 else ""


def plan_finals(searched: StageRun, settings: Finalists) -> Finals:
    """Return the study of the finalists of a search that is over.

    Args:
        searched: the search; at least 2 of its trials are complete.
        settings: `finalists` of the study.
    Raises:
        ValueError: what the trial's `reseeded` raises.
    """
    study = searched.study
    best = ranked(searched.record.ordered, study.metric, study.constraints)[: settings.top]
    content = {key: value for key, value in study.to_dict().items() if key in _INHERITED} | {
        "name": f"{study.name}{_SUFFIX}",
        "candidates": {trial.number: {**trial.params, **trial.changes} for trial in best},
        "seeds": _fresh_seeds(study, best, settings.seeds),
        "alpha": settings.alpha,
        "scheduler": {"name": "none"},
        "storage": searched.storage.below(FOLDER) if study.storage else None,
        "trials": 1,
    }
    return Finals.model_validate(content).model_copy(update={"trials": len(best) * settings.seeds})


def _fresh_seeds(study: Study, best: list[TrialRecord], count: int) -> dict[int, dict[str, Any]]:
    """Return seeds that no candidate was trained with, also where the seed itself is searched."""
    reseeded = TrialModule(study.trial).require("reseeded", "`finalists` need")
    first, *others = [reseeded(study.config(trial.params), count + len(best)) for trial in best]
    common = [seed for seed in first if all(seed in other for other in others)][:count]
    if len(common) < count:
        raise StudyError(
            f"trial {study.trial}: `reseeded` gives {len(common)} common seeds, finalists need {count}"
        )
    return {seed: first[seed] for seed in common}


def race_so_far(finals: Finals, values: Mapping[int, Mapping[int, float]]) -> SeedRace:
    """Return the state of the race, given the runs that have ended."""
    return run_race(list(finals.candidates), list(finals.seeds), values, finals.alpha, finals.metric.mode)


def plan_line(finals: Finals) -> str:
    """Return what will be run, as text."""
    trials = ", ".join(map(str, finals.candidates))
    seeds = ", ".join(map(str, finals.seeds))
    return f"trials {trials} over seeds {seeds}; clearly worse trials are dropped early"
