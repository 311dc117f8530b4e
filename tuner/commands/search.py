"""The commands `check`, `search` and `forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.commands.options import ResumeOption, SetOption, StudyArgument


def check(study: StudyArgument, overrides: SetOption = []) -> None:  # noqa: B006 - typer copies it
    """Check a study without searching: keys, space, 200 sampled configurations, extremes and data."""
    from rich.console import Console

    from tuner.execution.preflight import check_study, space_table
    from tuner.study.load import load_study

    console, loaded = Console(), load_study(study, overrides)
    if loaded.search:
        console.print(space_table(loaded))
    tried = check_study(loaded)
    console.print(f"ok: {loaded.name}: {tried}", soft_wrap=True, highlight=False)


def search(
    study: StudyArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, for all that the search writes.")],
    overrides: SetOption = [],  # noqa: B006
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="Number of trials; default: the study's.")
    ] = None,
    resume: ResumeOption = False,
    forecast: Annotated[
        bool, typer.Option("--forecast/--no-forecast", help="Estimate time and memory first.")
    ] = True,
    local: Annotated[
        bool, typer.Option("--local", help="Run one trial at a time in this process, without Ray.")
    ] = False,
) -> None:
    """Run a search and export its best trial: Ray, Optuna, ASHA and MLflow work together."""
    from rich.console import Console

    from tuner.commands.summary import exit_code, summary
    from tuner.study.load import load_study
    from tuner.workflows.search import search as run_search

    changed = [*overrides, *([] if trials is None else [f"trials={trials}"])]
    console, loaded = Console(highlight=False), load_study(study, changed)
    outcome = run_search(loaded, out, console, resume, forecast, local)
    for line in summary(loaded, outcome, out):
        console.print(line, soft_wrap=True, markup=False)
    raise typer.Exit(exit_code(outcome))


def forecast(study: StudyArgument, overrides: SetOption = []) -> None:  # noqa: B006
    """Estimate time, memory and disk of a search from its smallest and its largest configuration."""
    from rich.console import Console

    from tuner.forecast.run import forecast_study
    from tuner.study.load import load_study

    forecast_study(load_study(study, overrides), Console(highlight=False))
