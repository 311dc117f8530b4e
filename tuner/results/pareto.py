"""The Pareto set of a search with several objectives, as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.files import write_text
from tuner.journal.record import TrialRecord
from tuner.results.export import fetched, one_trial
from tuner.results.selection import pareto
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.study.yaml_file import dump
from tuner.text import params_text

FOLDER = "pareto"


def export_front(study: Study, trials: Sequence[TrialRecord], storage: Storage, out: Path) -> list[Path]:
    """Write each trial of the Pareto set as a study of one trial, and a table of them.

    Args:
        study: what was searched.
        trials: all of them.
        storage: holds the checkpoints.
        out: the study folder.
    Returns:
        `pareto.json`; nothing for a study with one objective.
    """
    if not study.objectives:
        return []
    front = pareto(trials, study.all_objectives, study.constraints)
    (out / FOLDER).mkdir(exist_ok=True)
    for trial in front:
        with fetched(storage, trial.checkpoint) as state:
            text = dump(one_trial(study, trial, state).to_dict(), f"Of the Pareto set of {study.name}.")
        write_text(out / FOLDER / f"{trial.number:04d}.yaml", text)
    table = out / "pareto.json"
    write_text(table, json.dumps([_row(study, trial) for trial in front], indent=2) + "\n")
    return [table]


def front_lines(study: Study, trials: Sequence[TrialRecord]) -> list[tuple[str, str]]:
    """Return one line per trial of the set, for the summary."""
    rows: list[tuple[str, str]] = []
    for trial in pareto(trials, study.all_objectives, study.constraints) if study.objectives else []:
        values = ", ".join(f"{goal.name} {trial.metrics[goal.name]:.6g}" for goal in study.all_objectives)
        rows.append(
            ("" if rows else "pareto", f"trial {trial.number}: {values}  [{params_text(trial.params)}]")
        )
    return rows


def _row(study: Study, trial: TrialRecord) -> dict[str, Any]:
    values = {goal.name: trial.metrics[goal.name] for goal in study.all_objectives}
    file = f"{FOLDER}/{trial.number:04d}.yaml"
    return {"trial": trial.number, "values": values, "searched": trial.params, "study": file}
