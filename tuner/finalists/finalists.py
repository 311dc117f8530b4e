"""The best trials of a search once more, with seeds that it has not used: a stage of its own.

A trial that is the best of many by one run owes a part of that to its seed. Here each configuration gets the
same fresh seeds, and the mean decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.errors import StudyError
from tuner.journal.record import State, TrialRecord
from tuner.results.outcome import StageRun
from tuner.results.seed_race import LEAST, SeedRace, course
from tuner.results.selection import ranked
from tuner.searchers.searcher import Suggestion
from tuner.space.space import Params, with_values
from tuner.study.settings import Finalists
from tuner.study.study import Study
from tuner.trial_module import load_seeded

FOLDER = "finalists"
_SUFFIX = f"-{FOLDER}"
_KEPT = (
    "trial", "epochs", "reports", "settings", "metric", "resources", "concurrency", "retries", "budget",
)  # fmt: skip


class Finals(Study):
    """A study whose points are (candidate, seed).

    Attributes:
        candidates: what each trial of the search changes in the settings, by its number, the best first.
        seeds: what each seed changes in them.
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
    """Asked like a sampler: all candidates with one seed, then with the next.

    A seed waits for the one before only where somebody may be out of the race by then, so what is asked does
    not depend on how many trials run at once.

    Args:
        finals: what is run.
    """

    def __init__(self, finals: Finals) -> None:
        self._finals = finals
        self._asked: list[Params] = []
        self._values: dict[int, dict[int, float]] = {}
        self._now = course_of(finals, self._values)

    @property
    def memory(self) -> dict[str, Any]:
        return {}

    def ask(self) -> Suggestion | None:
        """The next run, or None: a round is not over, or the race is."""
        now = self._now
        if now.over:
            return None
        for seed in list(self._finals.seeds)[: max(LEAST, len(now.seeds) + 1)]:
            for candidate in self._finals.candidates:
                params = {"candidate": candidate, "seed": seed}
                if candidate in now.standing and params not in self._asked:
                    self._asked.append(params)
                    return Suggestion(len(self._asked) - 1, params)
        return None

    def recall(self, suggestion: Suggestion) -> None:
        """A run of an earlier session.

        Raises:
            StudyError: that session had other candidates or seeds.
        """
        if self.ask() != suggestion:
            had = f"trial {suggestion.params['candidate']} with seed {suggestion.params['seed']}"
            way_out = f"resume with the trials and finalists of then, or move the folder {FOLDER} away"
            raise StudyError(f"--resume: the finals there began with others ({had}); {way_out}")

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Nothing is learned from a report."""

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """A run ended; one that failed counts as no value."""
        params = self._asked[number]
        value = metrics[self._finals.metric.name] if state is State.COMPLETE else math.nan
        self._values.setdefault(params["candidate"], {})[params["seed"]] = value
        self._now = course_of(self._finals, self._values)


def undecidable(driven: StageRun) -> str:
    """Why no finals can follow a search that asks for them, or ""."""
    if driven.halted and not driven.budget_over:
        return f"not run: {driven.halted}"
    complete = len(ranked(driven.record.ordered, driven.study.metric, driven.study.constraints))
    return f"not run: they need 2 complete trials, there is {complete}" if complete < 2 else ""


def planned(driven: StageRun, wanted: Finalists) -> Finals:
    """The finals of a search that is over.

    Args:
        driven: the search; at least 2 of its trials are complete.
        wanted: its finalists.
    Raises:
        ValueError: what the trial's `reseeded` raises.
    """
    study = driven.study
    best = ranked(driven.record.ordered, study.metric, study.constraints)[: wanted.top]
    content = {key: value for key, value in study.to_dict().items() if key in _KEPT} | {
        "name": f"{study.name}{_SUFFIX}",
        "candidates": {trial.number: {**trial.params, **trial.changes} for trial in best},
        "seeds": _fresh(study, best, wanted.seeds),
        "alpha": wanted.alpha,
        "scheduler": {"name": "none"},
        "storage": driven.storage.below(FOLDER) if study.storage else None,
        "trials": 1,
    }
    return Finals.model_validate(content).model_copy(update={"trials": len(best) * wanted.seeds})


def _fresh(study: Study, best: list[TrialRecord], count: int) -> dict[int, dict[str, Any]]:
    """Seeds that no candidate was chosen by: where the seed itself is searched, each leaves out another."""
    reseeded = load_seeded(study.trial)
    first, *others = [reseeded(study.config(trial.params), count + len(best)) for trial in best]
    common = [seed for seed in first if all(seed in other for other in others)][:count]
    if len(common) < count:
        raise StudyError(f"trial {study.trial}: `reseeded` has {len(common)} seeds, finalists need {count}")
    return {seed: first[seed] for seed in common}


def course_of(finals: Finals, values: Mapping[int, Mapping[int, float]]) -> SeedRace:
    """How far the race has got with what ended so far."""
    return course(list(finals.candidates), list(finals.seeds), values, finals.alpha, finals.metric.mode)


def plan_line(finals: Finals) -> str:
    """What will be run, for a line of text."""
    trials = ", ".join(map(str, finals.candidates))
    return f"trials {trials} over seeds {', '.join(map(str, finals.seeds))}, those clearly behind leave early"
