"""`fsd-tuner compare`: difference of two detectors on the same utterances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fsd_model.evaluation.comparison import Difference


def compare(
    a: Annotated[Path, typer.Argument(help="Score file or evaluation folder.")],
    b: Annotated[Path, typer.Argument(help="Score file or evaluation folder to compare with.")],
    asv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Organisers' ASV scores for min t-DCF; default: those of the evaluation."
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(metavar="N", help="Draws for intervals and p-values.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Compare two detectors or score files: difference of each metric, with 95 % interval and p-value.

    Of a folder, eval.scores.txt is compared, or dev.scores.txt if one of the two has no eval scores.

    Both are evaluated on the same resampled speakers or, if those are unknown, utterances.

    Example: fsd-tuner compare runs/a/detector runs/b/detector
    """
    from fsd_model.evaluation.comparison import compare_files

    result = compare_files(a, b, asv, resamples, seed)
    if as_json:
        typer.echo(result.as_json())
        return
    typer.echo(f"A: {result.a}\nB: {result.b}\n{result.utterances} utterances")
    _show(result.differences)
    for name, notes in result.notes.items():
        for note in notes:
            typer.echo(f"note on {name}: {note}")


def _show(differences: list[Difference]) -> None:
    from rich.console import Console
    from rich.table import Table

    from fsd_model.metrics.summary import TITLES, format_metric

    table = Table("")
    for column in ("A", "B", "B - A", "95 % interval", "p"):
        table.add_column(column, justify="right")
    for row in differences:
        low, high = (format_metric(row.figure, edge, "+") for edge in (row.interval.low, row.interval.high))
        table.add_row(
            TITLES[row.figure],
            format_metric(row.figure, row.a),
            format_metric(row.figure, row.b),
            format_metric(row.figure, row.difference, "+"),
            f"{low} to {high}",
            f"{row.p_value:.3f}",
        )
    Console().print(table)
    for row in differences:
        typer.echo(sentence(row))
    interval = differences[0].interval
    units = f"{interval.units} {interval.unit}s"
    typer.echo(f"intervals: {interval.resamples} resamples of {units}, the same for A and B")


def sentence(row: Difference) -> str:
    """Return a difference as one line: which is better and by how much, or that none is shown."""
    from fsd_model.metrics.summary import TITLES, format_metric

    title = TITLES[row.figure].removesuffix(" %")
    if not row.shown:
        return f"{title}: no difference shown"
    better = "B" if row.difference < 0 else "A"
    unit = " points" if TITLES[row.figure].endswith("%") else ""
    return f"{title}: {better} is better by {format_metric(row.figure, abs(row.difference))}{unit}"
