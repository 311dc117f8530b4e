"""The contract of a trial function, and the hooks that its module may have.

A trial function is `run(config, context)`, named in a study file as `package.module:function`.

* `config`: nested dict of plain values: the study's `settings` with one value per active search dimension,
  and `epochs`, the number of reports of a full trial.
* `context.checkpoint`: the folder that an earlier attempt of this trial saved, or None.
* `context.cloned`: true where another trial, with other settings, saved that folder (PBT).
* `context.report(metrics, save)`: once per epoch, with the study's metric each time; a NaN or inf there ends
  the trial as failed. `save(folder)` writes what a later attempt needs. The call may not return: a trial
  that is stopped or has made its last report ends here by SystemExit, so `finally` blocks run and `except
  Exception` sees nothing.

What `save` writes under `folder/export/` is copied into the study folder when the trial wins, and a flat JSON
object in `folder/facts.json` is quoted in `best.yaml`. In it `data_digest` identifies the data; `dataset` and
`data_source` give it a name and a place for MLflow. What `save` writes under `folder/artifacts/` (at most
64 MiB) goes to the trial's MLflow run when the trial has ended.

The module of the function may also have these hooks, which raise ValueError or OSError with one line for the
user:

* `prepare(settings) -> settings`: called once by the driver before the search (resolve paths, build caches);
* `check(config, step)`: builds one configuration and, with `step=True`, opens the data and trains one step;
* `describe(config) -> {"reports": int, "metrics": [names]}`: number of reports of a full trial, where it is
  not `epochs`, and all metrics, so that a wrong metric name is an error before the search;
* `retry_settings(config, cause) -> changes or None`: the settings that a retry of a failed trial changes, as
  dotted keys with values. `cause` is "memory" (out of memory) or "not-finite" (a NaN or inf, reported or
  raised as an ArithmeticError). With None the trial has failed;
* `draw_plots(folder)`: draws plots of what `save` wrote under `artifacts/` into `folder`, a copy of it;
  called once per ended trial, in a thread of the driver (no pyplot);
* `as_mlflow_model(exported) -> dict or None`: how MLflow loads the winner's export in the folder `exported`.
  `loader` is a module whose `_load_pyfunc(path, model_config)` returns an object with `predict`, `folder`
  what to load below `exported`, `input` and `output` an example of a call (column -> values of each row),
  `requirements` packages, `config` the `model_config` unless the caller gives another;
* `cost(config) -> float`: orders configurations by their time per epoch, without data;
* `arms(config) -> {name: changes}` and `reseeded(config, count) -> {seed: changes}`: the control arms of
  `fsd-tuner ablate`, which are compared with the first one, and seeds that the search has not used; changes
  are dotted keys with values;
* `run_stack(configs, contexts, more)`: trains several trials as one, each with its own `StackContext`.
  `more()`, called after each round of reports and when no trial is left, returns further trials as (config,
  context), mostly none; when it returns none and no trial is left, `run_stack` returns. What it raises ends
  all its trials, which are retried one by one. `stackable(config)` returns a string, equal for configs that
  can share a stack, and raises ValueError for one that runs alone;
* `exits(config, metrics) -> [rows]`: the deployable parts of a trial by its last report: `name`, `choice`,
  `metric`, `error` (its value, lower is better), `parameters`, `multiply_adds`, `latency_ms` of each.
  `export(config, state, into, choice)` writes one of them from a checkpoint into the new folder `into`;
  `choice` is that of the row, or `{"early": confidence}`. `trade_off(config, state, confidences) -> [rows]`
  gives `confidence`, `error`, `multiply_adds` (mean) and `left` (shares by exit) of an early exit at each
  confidence; at its own choice of them where none are given;
* `report_sections(study, trials) -> [section]`: further sections of `fsd-tuner report`. `study` is the
  content of the study file. Each trial has `number`, `role` ("winner", "baseline", "finalist" or ""),
  `state`, `config`, `metrics` (its last report) and `folder`, the last checkpoint of a trial with a role, or
  None. A section has a `title`, its name in the JSON too, and optionally `text` (paragraphs), `tables`
  (`columns`, `rows`, `caption`), `numbers` (for the JSON) and `figures` (`title`, `reading`: how to read it,
  `x`, `y`: labels with units, `points`: how many, `draw(axes)`: with Matplotlib, in the page's colours `C0`
  to `C5`; `height`, `narrow`). An error there affects these sections only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

Config = dict[str, Any]
Metrics = Mapping[str, float]
Save = Callable[[Path], None]


class Context(Protocol):
    """The search, as a trial function sees it."""

    @property
    def checkpoint(self) -> Path | None:
        """Folder to resume from, or None on a first attempt."""
        ...

    @property
    def cloned(self) -> bool:
        """True where another trial, with other settings, saved the folder."""
        ...

    def report(self, metrics: Metrics, save: Save | None = None) -> None:
        """Report the metrics of one epoch; may not return, see the module's docstring."""
        ...


class StackContext(Context, Protocol):
    """The search, as one trial of a stack sees it."""

    def over(self, error: Exception | None) -> None:
        """End the trial: it failed, or will make no further report."""
        ...


TrialFunction = Callable[[Config, Context], None]
More = Callable[[], Sequence[tuple[Config, StackContext]]]
RunStack = Callable[[Sequence[Config], Sequence[StackContext], More], None]


RetrySettings = Callable[[dict[str, Any], str], dict[str, Any] | None]
