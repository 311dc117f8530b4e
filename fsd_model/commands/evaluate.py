"""`fsd-tuner evaluate`: scores a whole split, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument, JobsOption

if TYPE_CHECKING:
    from fsd_model.data.training_splits import DataConfig
    from fsd_model.evaluation.results import Evaluation


def evaluate(
    detector: DetectorArgument,
    split: Annotated[str, typer.Option(help="eval (open it once, at the end) or dev.")] = "eval",
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Corpus; default: as trained.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for scores; default: the detector's.")
    ] = None,
    jobs: JobsOption = 0,
    allow_code: AllowCodeOption = False,
    layout: Annotated[
        str | None, typer.Option("--format", help="Layout of --data; default: by its files.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="LA, PA or DF; default: as trained.")] = None,
    subset: Annotated[str, typer.Option(help="eval, progress or hidden (of ASVspoof 2021).")] = "eval",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out and list files that are missing or do not decode.")
    ] = False,
) -> None:
    """Score a whole split with a detector: EER and costs with intervals, EER by attack.

    A split that this detector has scored before is not scored again: the earlier results are printed.

    Example: fsd-tuner evaluate runs/la/detector --split dev
    """
    from fsd_model.detector.detector import Detector
    from fsd_model.errors import InputError
    from fsd_model.evaluation.final_evaluation import earlier_evaluation
    from fsd_model.evaluation.final_evaluation import evaluate as run
    from fsd_model.progress import progress_bar

    if split not in ("dev", "eval"):
        raise InputError(f"--split: must be dev or eval, got `{split}`")
    chosen: Literal["dev", "eval"] = "eval" if split == "eval" else "dev"
    loaded = Detector.load(detector, allow_code)
    options = {"track": track, "subset": subset, "skip_bad": skip_bad}
    corpus, folder = _corpus(loaded.card.data, data, layout, options), out or detector
    result = earlier_evaluation(loaded, corpus, chosen, folder)
    if result is None:
        with progress_bar(f"scoring {chosen}") as progress:
            result = run(loaded, corpus, chosen, folder, jobs or os.cpu_count() or 1, progress)
    _show(result, folder)
    if chosen == "eval":
        _show_openings(detector)


def _corpus(own: DataConfig, data: Path | None, layout: str | None, options: dict[str, Any]) -> DataConfig:
    """Return the corpus to score: that of the detector's card, or another one with its own layout."""
    from fsd_model.commands.data import data_config

    entered = {name: value for name, value in options.items() if value is not None}
    where = {"root": (data or own.root).absolute(), "format": layout or ("auto" if data else own.format)}
    return data_config({"track": own.track, **entered, **where})


def _show(result: Evaluation, folder: Path) -> None:
    typer.echo(f"{result.split}: {result.utterances} utterances, scored {result.when}")
    if result.left_out:
        typer.echo(
            f"left out {len(result.left_out)} bad files, listed in {folder / (result.split + '.json')}"
        )
    _show_metrics(result)
    _show_rates("attack", result.eer_by_attack | {"all": result.eer})
    for kind, rates in (("environment", result.eer_by_environment), ("codec", result.eer_by_codec)):
        if rates:
            _show_rates(kind, rates)
    typer.echo(
        f"at the detector's operating point: {100 * result.false_alarm:.2f} % of spoofs accepted, "
        f"{100 * result.miss:.2f} % of bona fide rejected"
    )
    if not result.min_tdcf:
        typer.echo("min t-DCF: needs the organisers' ASV scores, which this corpus does not have")
    for note in result.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"scores: {folder / (result.split + '.scores.txt')}")


def _show_openings(detector: Path) -> None:
    from fsd_model.evaluation.access_log import FILE, place_of, read_openings

    place = place_of(detector)
    openings = read_openings(place)
    detectors = len({opening.detector for opening in openings})
    typer.echo(f"openings of eval so far: {len(openings)}, detectors: {detectors} ({place / FILE})")


def _show_metrics(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from fsd_model.metrics.summary import TITLES, format_metric

    table = Table("all utterances")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in result.figures.items():
        interval = result.intervals[name]
        limits = f"{format_metric(name, interval.low)} to {format_metric(name, interval.high)}"
        table.add_row(TITLES[name], format_metric(name, value), limits)
    Console().print(table)
    eer = result.intervals["eer"]
    typer.echo(f"intervals: {eer.resamples} resamples of {eer.units} {eer.unit}s")


def _show_rates(kind: str, rates: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(kind)
    table.add_column("EER %", justify="right")
    for name, rate in rates.items():
        table.add_row(name, f"{100 * rate:.2f}")
    Console().print(table)
