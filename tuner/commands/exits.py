"""The commands `exits` and `export`: which detectors a search can deploy, and one of them as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tuner.deploy.models import Deployable

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder.")]
_Trial = Annotated[int | None, typer.Option(metavar="N", help="Only this trial.")]


def export(
    folder: _Folder,
    max_latency_ms: Annotated[float | None, typer.Option(metavar="MS", help="Limit per utterance.")] = None,
    max_params: Annotated[str | None, typer.Option(metavar="COUNT", help="Limit, as 300k or 1.5M.")] = None,
    number: Annotated[int | None, typer.Option("--exit", metavar="N", help="Only exit N, from 1.")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Only the mean of all exits.")] = False,
    early: Annotated[
        float | None,
        typer.Option(metavar="CONFIDENCE", help="Leave at the first exit this confident."),
    ] = None,
    trial: _Trial = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new folder; default: below DIR/exports."),
    ] = None,
) -> None:
    """Export the best exit within limits, over all trials, by its error on dev; print the Pareto set."""
    from rich.console import Console

    from tuner.deploy.choose import best_within, filter_models
    from tuner.deploy.export import default_folder, reached, write_model
    from tuner.deploy.models import deployables_of, pareto_set
    from tuner.results.study_folder import read_study_folder

    console, search = Console(highlight=False), read_study_folder(folder)
    models = deployables_of(search, trial)
    model = best_within(filter_models(models, number, ensemble, early), max_latency_ms, max_params)
    target = out or default_folder(folder, model)
    write_model(search, model, target)
    _show(pareto_set(models), console)
    words = model.words() if early is None else reached(search, model, early)
    console.print(f"chosen      {words}\nexported    {target}", soft_wrap=True, markup=False)


def exits(
    folder: _Folder,
    trial: _Trial = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for trade_off.json and trade_off.png.")
    ] = None,
) -> None:
    """List the exits that are worth deploying (the Pareto set), and early exit by confidence, on dev."""
    from rich.console import Console

    from tuner.deploy.export import trade_off, write_curve
    from tuner.deploy.models import deployables_of, pareto_set
    from tuner.results.study_folder import read_study_folder

    console, search = Console(highlight=False), read_study_folder(folder)
    models = deployables_of(search)
    best = pareto_set(models)
    if trial is None:
        _show(best, console)
    else:
        _show(deployables_of(search, trial), console, best)
    number = models[0].trial if trial is None else trial
    curve = trade_off(search, number)
    console.print(f"early exit of trial {number}, at the first exit that reaches the confidence:")
    _show_curve(curve, console)
    if out is not None:
        for path in write_curve(curve, [model for model in models if model.trial == number], out):
            console.print(f"written     {path}", soft_wrap=True, markup=False)


def _show(models: Sequence[Deployable], console: Any, best: Sequence[Deployable] = ()) -> None:
    """Print models as a table; a star marks members of the Pareto set among others."""
    from rich.table import Table

    table = Table("trial", "model", "error", "parameters", "multiply-adds", "ms")
    for column in table.columns:
        column.justify = "left" if column.header == "model" else "right"
        column.overflow = "fold"
    for model in models:
        counts = f"{model.parameters:,.0f}", f"{model.multiply_adds:,.0f}", f"{model.latency_ms:.3g}"
        name = f"{model.name} *" if model in best else model.name
        table.add_row(str(model.trial), name, f"{model.error:.6g}", *counts)
    console.print(table)


def _show_curve(curve: Sequence[Mapping[str, Any]], console: Any) -> None:
    from rich.table import Table

    table = Table("confidence", "error", "multiply-adds", "left at exit 1, 2, ... %")
    for column in table.columns:
        column.justify = "right"
    for row in curve:
        shares = " ".join(f"{100 * share:5.1f}" for share in row["left"])
        figures = f"{row['confidence']:.3g}", f"{row['error']:.6g}", f"{row['multiply_adds']:,.0f}"
        table.add_row(*figures, shares)
    console.print(table)
