"""How MLflow shows a search: links, and a view that is prepared for comparing its trials.

MLflow keeps views as tags of the experiment, in the form in which its "share" button writes them.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tuner.study.settings import Metric
from tuner.study.study import Study
from tuner.tracking.address import store_uri
from tuner.tracking.best_reports import BEST, COST
from tuner.tracking.labels import trial_names
from tuner.tracking.tracking import TRIALS_FILTER, find_experiment

MOST = 100  # trials in one comparison: the address of the page holds the id of each
VIEW = "mlflow.sharedViewState.trials"
_AS_MEASURED = {"lineSmoothness": 0, "useGlobalLineSmoothing": True, "useGlobalXaxisKey": True}
_CATEGORIES = 30  # MLflow leaves out runs with a further text on an axis


def links(base: str, study: Study, out: Path) -> dict[str, str]:
    """What a person who compares trials wants to open, by title; prepares the view.

    Args:
        base: where the server will answer.
        study: that was searched.
        out: its folder, which holds the store.
    Raises:
        StudyError: the store holds no such experiment.
    """
    from tuner.tracking.client import open_client, pages

    client, experiment = open_client(store_uri(out)), find_experiment(out, study.name)
    trials = sorted(pages(client, experiment, TRIALS_FILTER), key=partial(_place, study.metric))
    client.set_experiment_tag(experiment, VIEW, prepared(study, [run.data.params for run in trials]))
    compared = [run.info.run_id for run in trials[:MOST]]
    which = f" best {MOST}" if len(trials) > MOST else ""
    found = {
        "charts": view_link(base, experiment, "CHART"),
        "table": view_link(base, experiment, "TABLE"),
        f"compare{which}": compare_link(base, experiment, compared),
    }
    if client.search_registered_models(f"name = '{study.name}'"):
        found["champion"] = model_link(base, study.name)
    return found


def _place(metric: Metric, run: Any) -> tuple[float, str]:
    """Sorts the best first, those without a value last."""
    value = run.data.metrics.get(f"{BEST}{metric.name}", math.inf if metric.mode == "min" else -math.inf)
    return (value if metric.mode == "min" else -value), run.data.tags.get("trial_id", "")


def view_link(base: str, experiment: str, mode: str) -> str:
    """A link to the prepared view: `mode` is CHART (parallel coordinates first) or TABLE."""
    name = VIEW.rpartition(".")[2]
    return f"{base}/#/experiments/{experiment}/runs?viewStateShareKey={name}&compareRunsMode={mode}"


def compare_link(base: str, experiment: str, runs: Sequence[str]) -> str:
    """A link to the page that sets runs side by side.

    Args:
        base: of the server.
        experiment: its id.
        runs: ids.
    """
    ids, experiments = (
        quote(json.dumps(each, separators=(",", ":")), safe="") for each in (list(runs), [experiment])
    )
    return f"{base}/#/compare-runs?runs={ids}&experiments={experiments}"


def model_link(base: str, name: str) -> str:
    """A link to a registered model."""
    return f"{base}/#/models/{quote(name, safe='')}"


def axes(params: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """The parameters by which parallel coordinates show every trial.

    MLflow draws no line for a run that lacks an axis, nor for a text on an axis that is mostly numbers.

    Args:
        params: of each trial.
        names: candidates, in order.
    """
    return [name for name in names if params and _is_axis([each.get(name) for each in params])]


def prepared(study: Study, params: Sequence[Mapping[str, str]]) -> str:
    """The view as the text of the tag `VIEW`: what is searched as columns, parallel coordinates first.

    Args:
        study: what was searched.
        params: of each trial, as MLflow has them.
    """
    metric, names = study.metric.name, trial_names(study)
    best = [f"{BEST}{goal.name}" for goal in study.all_objectives]
    shown = [*(f"metrics.`{name}`" for name in (*best, f"{BEST}epoch", f"{COST}seconds"))]
    shown += [f"params.`{name}`" for name in names if any(name in each for each in params)]
    state = {
        "searchFilter": TRIALS_FILTER,
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": study.metric.mode == "min",
        "selectedColumns": ["tags.`state`", *shown],
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [
            _section("parallel", "Parallel coordinates", columns=1, cardHeight=420),
            _section("learning", "Learning curves", columns=min(2, len(study.all_objectives)), cardHeight=420),
        ],
        "compareRunCharts": [
            _chart("PARALLEL", "parallel", selectedParams=axes(params, names), selectedMetrics=best[:1]),
            *(_chart("LINE", "learning", metricKey=goal.name, **_AS_MEASURED) for goal in study.all_objectives),
        ],
    }  # fmt: skip
    packed = zlib.compress(json.dumps(state).encode(), 9)
    return f"deflate;{base64.b64encode(packed).decode()}"


def _section(uuid: str, name: str, **layout: int) -> dict[str, Any]:
    flags = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, **flags, **layout}


def _chart(kind: str, section: str, **content: Any) -> dict[str, Any]:
    own = {"deleted": False, "isGenerated": False, "showAllRuns": True, "metricSectionId": section}
    return {"type": kind, "uuid": f"{section}-{content.get('metricKey', '')}", **own, **content}


def _is_axis(values: list[str | None]) -> bool:
    if None in values or len(set(values)) < 2:
        return False
    numbers = sum(_is_number(value) for value in values)
    return numbers == len(values) or (not numbers and len(set(values)) <= _CATEGORIES)


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True
