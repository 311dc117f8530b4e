"""The commands `exits` and `export`: what a finished search can deploy, and one of it as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tuner.deploy.models import Deployable

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a search.")]
_Trial = Annotated[int | None, typer.Option(metavar="N", help="Of this trial alone.")]


def export(
    folder: _Folder,
    max_latency_ms: Annotated[float | None, typer.Option(metavar="MS", help="For one utterance.")] = None,
    max_params: Annotated[str | None, typer.Option(metavar="COUNT", help="Such as 300k or 1.5M.")] = None,
    number: Annotated[int | None, typer.Option("--exit", metavar="N", help="Exit N, from 1.")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="The mean of all exits.")] = False,
    early: Annotated[
        float | None,
        typer.Option(metavar="CONFIDENCE", help="An utterance leaves at the first exit that is as sure."),
    ] = None,
    trial: _Trial = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A new folder; default: below DIR/exports.")
    ] = None,
) -> None:
    """Export the best exit of all trials within limits: lowest error on dev; print the Pareto set."""
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
        Path | None, typer.Option(metavar="FOLDER", help="For trade_off.json and trade_off.png.")
    ] = None,
) -> None:
    """What can be deployed: the Pareto set over all exits; of one trial early exit by confidence, on dev."""
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
    console.print(f"early exit of trial {number}, which leaves at the first exit as sure as the confidence:")
    _show_curve(curve, console)
    if out is not None:
        for path in write_curve(curve, [model for model in models if model.trial == number], out):
            console.print(f"written     {path}", soft_wrap=True, markup=False)


def _show(models: Sequence[Deployable], console: Any, best: Sequence[Deployable] = ()) -> None:
    """A table; in one that is not the Pareto set alone a star marks what is in it."""
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
