"""Links into the MLflow UI, and a view prepared for comparing the trials of a search.

MLflow keeps views as tags of the experiment, in the private format of its "share" button; a browser test
checks that the installed release still reads it.
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

MOST = 100  # trials in one comparison: their ids are in the address of the page
VIEW = "mlflow.sharedViewState.trials"
_AS_MEASURED = {"lineSmoothness": 0, "useGlobalLineSmoothing": True, "useGlobalXaxisKey": True}
_CATEGORIES = 30  # per axis; MLflow leaves out runs with any further one


def links(base: str, study: Study, out: Path) -> dict[str, str]:
    """Return the pages for comparing trials, by title, and store the prepared view.

    Args:
        base: address of the server.
        study: the study.
        out: its folder, which holds the store.
    Raises:
        StudyError: the store holds no such experiment.
    """
    from tuner.tracking.client import open_client, pages

    client, experiment = open_client(store_uri(out)), find_experiment(out, study.name)
    trials = sorted(pages(client, experiment, TRIALS_FILTER), key=partial(_sort_key, study.metric))
    client.set_experiment_tag(experiment, VIEW, prepared_view(study, [run.data.params for run in trials]))
    best = [run.info.run_id for run in trials[:MOST]]
    which = f" best {MOST}" if len(trials) > MOST else ""
    pages_by_title = {
        "charts": view_link(base, experiment, "CHART"),
        "table": view_link(base, experiment, "TABLE"),
        f"compare{which}": compare_link(base, experiment, best),
    }
    if client.search_registered_models(f"name = '{study.name}'"):
        pages_by_title["champion"] = model_link(base, study.name)
    return pages_by_title


def _sort_key(metric: Metric, run: Any) -> tuple[float, str]:
    """Sort the best trial first, trials without a value last."""
    value = run.data.metrics.get(f"{BEST}{metric.name}", math.inf if metric.mode == "min" else -math.inf)
    return (value if metric.mode == "min" else -value), run.data.tags.get("trial_id", "")


def view_link(base: str, experiment: str, mode: str) -> str:
    """Return the address of the prepared view; `mode` is CHART (parallel coordinates first) or TABLE."""
    name = VIEW.rpartition(".")[2]
    return f"{base}/#/experiments/{experiment}/runs?viewStateShareKey={name}&compareRunsMode={mode}"


def compare_link(base: str, experiment: str, runs: Sequence[str]) -> str:
    """Return the address of the page that shows runs side by side.

    Args:
        base: address of the server.
        experiment: id of the experiment.
        runs: ids of the runs.
    """
    ids, experiments = (
        quote(json.dumps(each, separators=(",", ":")), safe="") for each in (list(runs), [experiment])
    )
    return f"{base}/#/compare-runs?runs={ids}&experiments={experiments}"


def model_link(base: str, name: str) -> str:
    """Return the address of a registered model."""
    return f"{base}/#/models/{quote(name, safe='')}"


def axes(params: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Return the parameters that can be axes of parallel coordinates without losing a trial.

    MLflow draws no line for a run without a value on an axis, nor for a text on an axis of mostly numbers.

    Args:
        params: parameters of each trial.
        names: candidates, in order.
    """
    return [name for name in names if params and _is_axis([each.get(name) for each in params])]


def prepared_view(study: Study, params: Sequence[Mapping[str, str]]) -> str:
    """Return the view as text of the tag `VIEW`: searched parameters as columns, parallel coordinates first.

    Args:
        study: the study.
        params: parameters of each trial, as MLflow has them.
    """
    metric, names, goals = study.metric.name, trial_names(study), study.all_objectives
    best = [f"{BEST}{goal.name}" for goal in goals]
    columns = [*(f"metrics.`{name}`" for name in (*best, f"{BEST}epoch", f"{COST}seconds"))]
    columns += [f"params.`{name}`" for name in names if any(name in each for each in params)]
    state = {
        "searchFilter": TRIALS_FILTER,
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": study.metric.mode == "min",
        "selectedColumns": ["tags.`state`", *columns],
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [
            _section("parallel", "Parallel coordinates", columns=1, cardHeight=420),
            _section("learning", "Learning curves", columns=min(2, len(goals)), cardHeight=420),
        ],
        "compareRunCharts": [
            _chart("PARALLEL", "parallel", selectedParams=axes(params, names), selectedMetrics=best[:1]),
            *(_chart("LINE", "learning", metricKey=goal.name, **_AS_MEASURED) for goal in goals),
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
