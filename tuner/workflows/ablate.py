"""Ablation: control arms of one configuration over the same seeds, run like the trials of a search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tuner.errors import StudyError
from tuner.execution.preflight import prepared
from tuner.files import write_text
from tuner.journal.folder import refuse_taken
from tuner.journal.record import State, TrialRecord
from tuner.results.outcome import SearchResult, StageResult, StageRun
from tuner.searchers.searcher import Suggestion
from tuner.space.space import Params, with_values
from tuner.statistics import Comparison, table, with_controls
from tuner.study.study import Study
from tuner.trial_module import TrialModule
from tuner.workflows.search import on_ray

NEEDED_BY = "an ablation needs"
FILES = ("ablation.md", "ablation.json", "ablation.png")


class Ablation(Study):
    """A study whose points are (arm, seed).

    Attributes:
        arms: what each arm changes in the settings.
        seeds: what each seed changes in them.
    """

    arms: dict[str, dict[str, Any]]
    seeds: dict[int, dict[str, Any]]

    @property
    def plan(self) -> list[Params]:
        """Return all trials, all arms of one seed before the next, so that an early end leaves
        whole pairs.
        """
        return [{"arm": arm, "seed": seed} for seed in self.seeds for arm in self.arms]

    def config(self, params: Any) -> dict[str, Any]:
        changes = {**self.arms[params["arm"]], **self.seeds[params["seed"]]} if params else {}
        return {**with_values(self.settings, changes), "epochs": self.epochs}

    def to_dict(self) -> dict[str, Any]:
        content = super().to_dict()
        return {key: content[key] for key in content if key not in ("arms", "seeds")} | {"trials": 1}

    def tags(self, params: Mapping[str, Any]) -> dict[str, str]:
        return {key: str(value) for key, value in params.items()}

    @property
    def run_kind(self) -> str:
        return "ablation"


@dataclass
class FixedPlan:
    """A `Searcher` that proposes fixed points in their order."""

    points: list[Params]
    asked: int = 0

    @property
    def state(self) -> dict[str, Any]:
        return {}

    def ask(self) -> Suggestion | None:
        if self.asked == len(self.points):
            return None
        self.asked += 1
        return Suggestion(self.asked - 1, self.points[self.asked - 1])

    def recall(self, suggestion: Suggestion) -> None:
        self.asked += 1

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Ignore a report."""

    def tell(self, number: int, state: State, metrics: Mapping[str, float]) -> None:
        """Ignore an end."""


@dataclass(frozen=True)
class Ablated:
    """The result of an ablation.

    Attributes:
        outcome: the trials and the exported files.
        compared: every comparison.
        text: the tables, Markdown.
    """

    outcome: SearchResult
    compared: list[Comparison]
    text: str


def ablate(study: Study, seeds: int, out: Path, console: Console, resume: bool = False) -> Ablated:
    """Run the control arms on Ray and compare them.

    Args:
        study: one configuration, such as a best.yaml.
        seeds: number of seeds per arm, at least 2.
        out: the study folder; it must not hold a study, unless `resume`.
        console: for the progress.
        resume: continue the ablation in `out`, if there is one.
    Raises:
        StudyError: the study searches, its trial has no arms, the folder is taken, a trial does not fit.
        ValueError, OSError: what the trial's hooks raise.
    """
    refuse_taken(out, resume)  # what needs no data is said before the data is read
    _refuse(study, seeds)
    plan = planned(prepared(study), seeds)
    compared: list[Comparison] = []
    texts: list[str] = []

    def conclude(driven: StageRun) -> StageResult:
        values = by_arm(plan, driven.record.ordered)
        compared.extend(with_controls(values))
        texts.append(table(values, compared, study.metric.name, study.metric.mode))
        _write(plan, values, compared, texts[0], driven.out)
        return StageResult([driven.out / name for name in FILES], _figures(compared))

    outcome = on_ray(plan, lambda memory: FixedPlan(plan.plan), out, console, conclude, resume)
    return Ablated(outcome, compared, texts[0])


def planned(study: Study, seeds: int) -> Ablation:
    """Return the ablation of a prepared study of one trial.

    Raises:
        StudyError: the study searches, or its trial has no `arms`.
    """
    _refuse(study, seeds)
    trial = TrialModule(study.trial)
    arms, reseeded = (trial.require(hook, NEEDED_BY) for hook in ("arms", "reseeded"))
    content = study.to_dict() | {
        "name": f"{study.name}-ablation",
        "arms": arms(study.config({})),
        "seeds": reseeded(study.config({}), seeds),
        "scheduler": {"name": "none"},
    }
    content.pop("origin", None)
    ablation = Ablation.model_validate(content)
    return ablation.model_copy(update={"trials": len(ablation.plan)})


def _refuse(study: Study, seeds: int) -> None:
    if not seeds >= 2:
        raise StudyError(f"--seeds: an interval needs at least 2 seeds, got {seeds}")
    if study.search:
        way_out = "give a best.yaml (fsd-tuner search leaves one)"
        raise StudyError(f"study {study.name}: searches {', '.join(study.search)}; {way_out}")
    for hook in ("arms", "reseeded"):
        TrialModule(study.trial).require(hook, NEEDED_BY)


def by_arm(plan: Ablation, trials: list[TrialRecord]) -> dict[str, dict[int, float]]:
    """Return the metric of every complete run: arm -> seed -> value."""
    values: dict[str, dict[int, float]] = {arm: {} for arm in plan.arms}
    for trial in trials:
        if trial.state is State.COMPLETE:
            values[trial.params["arm"]][trial.params["seed"]] = trial.value
    return values


def _figures(compared: list[Comparison]) -> dict[str, float]:
    return {
        f"{each.arm} minus {each.against}/{key}": value
        for each in compared
        for key, value in {
            "mean": each.mean, "low": each.low, "high": each.high, "seeds": float(len(each.differences)),
        }.items()
    }  # fmt: skip


def _write(
    plan: Ablation, values: dict[str, dict[int, float]], compared: list[Comparison], text: str, out: Path
) -> None:
    from tuner.workflows.ablation_figure import draw

    verdicts = [
        {**asdict(each), "mean": each.mean, "verdict": each.verdict(plan.metric.mode)} for each in compared
    ]
    content = {"metric": plan.metric.name, "arms": plan.arms, "values": values, "differences": verdicts}
    write_text(out / "ablation.md", f"# Ablation of {plan.name.removesuffix('-ablation')}\n\n{text}")
    write_text(out / "ablation.json", json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")
    draw(values, compared, plan.metric.name, out / "ablation.png")


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return None if isinstance(node, float) and node != node else node
