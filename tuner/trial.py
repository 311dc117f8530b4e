"""The contract of a trial function, and the hooks that its module may have.

A trial function is `run(config, context)`, named in a study file as `package.module:function`.

* `config`: nested dict of plain values: the study's `settings` with one value per search dimension, and
  `epochs`, the number of reports of a full trial.
* `context.checkpoint`: the folder that an earlier attempt of this trial saved, or None.
* `context.cloned`: true where another trial with other settings saved that folder (population based
training).
* `context.report(metrics, save)`: once per epoch, the study's metric among the metrics every time; a NaN or
  inf there ends the trial as failed. `save(folder)` writes what a later attempt needs. The call may not
  return: a stopped trial, and one that has reported its last epoch, ends here (SystemExit), so `finally`
  blocks run and `except Exception` sees nothing.

What `save` writes under `folder/export/` is copied into the study's output folder when the trial wins, and a
flat JSON object in `folder/facts.json` is quoted in `best.yaml`. In it `data_digest` identifies the data;
`dataset` and `data_source` give it a name and a place for MLflow. What `save`
writes under `folder/artifacts/` (64 MiB at most) goes to the trial's MLflow run when the trial has ended.

The module of the function may also have
* `prepare(settings) -> settings`: called once by the driver before the search (resolve paths, build caches);
* `check(config, step)`: builds one configuration and, with `step=True`, opens the data and trains one step;
* `describe(config) -> {"reports": int, "metrics": [names]}`: how often a full trial reports, where that is
  not once an epoch, and all it reports: a wrong metric name is then an error before the search;
* `retry_settings(config, cause) -> changes or None`: what another attempt of a failed trial changes, as
dotted keys with
  values; `cause` is "memory" (out of memory) or "not-finite" (a NaN or inf, reported or raised as an
  ArithmeticError); None where nothing helps: the trial has failed;
* `draw_plots(folder)`: draws figures of what `save` wrote under `artifacts/`, of which `folder` is a copy,
  beside it; called once for each ended trial, by a thread of the search's own process (no pyplot);
* `as_mlflow_model(exported) -> {"loader", "folder", "input", "output", "requirements", "config"} or None`:
how MLflow
  loads what the winner exported into the folder `exported` as a model. `loader` is a module whose
  `_load_pyfunc(path, model_config)` returns something with `predict`, `folder` what to load below `exported`,
  `input` and `output` an example of a call (column -> values of each row), `requirements` packages, `config`
  the `model_config` unless the caller gives another;
* `cost(config) -> float`: orders configurations by the time of an epoch, without data;
* `arms(config) -> {name: changes}` and `reseeded(config, count) -> {seed: changes}`: the control arms of
  `fsd-tuner ablate` and seeds that the search has not used, each as dotted keys with values; the other arms
  are compared with the first;
* `run_stack(config, contexts, more)`: trains several trials as one, each with a context of its own, which
  also has `over(error)` (see `StackContext`). `more()`, asked after each round of reports and when nobody is
  left, gives further trials as (config, context), mostly none; when it gives none and nobody is left,
  `run_stack` returns. What it raises ends all its trials, which are tried again one by one.
  `stackable(config)` is a text, equal for config that can be in one stack; ValueError for those that run
  alone;
* `exits(config, metrics) -> [rows]`: what of a trial can be deployed, by its last report: `name`, `choice`,
  `metric`, `error` (its value, lower is better), `parameters`, `multiply_adds`, `latency_ms` of each.
  `export(config, state, into, choice)` writes one of them from a folder the trial saved, `into` a new folder;
  `choice` is that of the row, or `{"early": confidence}`.
  `trade_off(config, state, confidences) -> [rows]` says what such confidences (where none are given, some of
  its own) reach: `confidence`, `error`, `multiply_adds` (average), `left` (shares by exit).
* `report_sections(study, trials) -> [section]`: what it adds to `fsd-tuner report`. `study` is the study
file's
  content; each trial has `number`, `role` ("winner", "baseline", "finalist" or ""), `state`, `config`,
  `metrics` (its last report) and `folder`, what a trial with a role saved last, or None. A section has a
  `title`, which also names it in the JSON, and, if it likes, `text` (paragraphs), `tables` (`columns`,
  `rows`, `caption`), `numbers` (for the JSON) and `figures` (`title`, `reading`: how to read it, `x`, `y`:
  labels with units, `points`: how many, `draw(axes)`: with Matplotlib, in the page's colours `C0` to `C5`;
  `height`, `narrow`). What goes wrong there costs these sections only.
All raise ValueError or OSError with one line for the user.
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
