"""Trials as a pandas table: one row per trial, one typed column per searched value and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuner.journal.record import TrialRecord

if TYPE_CHECKING:
    import pandas as pd


def trials_data_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row per trial, by number.

    Columns: `number`, `state` (category), `value` (the study metric's last report), `params.<path>` (missing
    where the dimension was inactive), `metrics.<name>` (the last report), `epochs` (reports so far),
    `seconds` (how long it held its resources), `seed` where the trials have one, and `reason` (why it was
    stopped or failed, or "").

    Args:
        trials: of one search.
    """
    import pandas as pd  # here, so that a search without a table need not import it

    params = list(dict.fromkeys(path for trial in trials for path in trial.params))
    names = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    columns: dict[str, Any] = {
        "number": pd.array([trial.number for trial in trials], dtype="int64"),
        "state": pd.Categorical([trial.state.value for trial in trials]),
        "value": pd.array([trial.value for trial in trials], dtype="float64"),
    }
    for path in params:
        if path != "seed":
            columns[f"params.{path}"] = _typed([trial.params.get(path) for trial in trials])
    for name in names:
        columns[f"metrics.{name}"] = [float(trial.metrics.get(name, float("nan"))) for trial in trials]
    columns["epochs"] = pd.array([trial.epoch for trial in trials], dtype="int64")
    columns["seconds"] = pd.array([trial.seconds for trial in trials], dtype="float64")
    if "seed" in params:
        columns["seed"] = _typed([trial.params.get("seed") for trial in trials])
    columns["reason"] = pd.array([trial.reason for trial in trials], dtype="str")
    return pd.DataFrame(columns)


def _typed(values: list[Any]) -> Any:
    """Return a column of the narrowest type that holds all values; a missing value keeps an int an int."""
    import pandas as pd

    given = [value for value in values if value is not None]
    kinds = {type(value) for value in given}
    if kinds == {int}:
        return pd.array(values, dtype="int64" if len(given) == len(values) else "Int64")
    if kinds and kinds <= {int, float}:
        return pd.array([float("nan") if value is None else value for value in values], dtype="float64")
    if kinds == {bool}:
        return pd.array(values, dtype="bool" if len(given) == len(values) else "boolean")
    if kinds == {str}:
        return pd.array(values, dtype="str")
    return pd.Series(values, dtype="object")
