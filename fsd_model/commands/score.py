"""`fsd-tuner score`: scores audio files."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument, JobsOption

if TYPE_CHECKING:
    from fsd_model.detector.detector import Detector
    from fsd_model.detector.operating_point import Verdict

_COLUMNS = ("file", "score", "llr", "spoof_probability", "decision")


def score(
    detector: DetectorArgument,
    files: Annotated[
        list[str],
        typer.Argument(help="Audio files (FLAC, WAV, OGG), folders, or - for paths on standard input."),
    ],
    prior_spoof: Annotated[
        float | None, typer.Option(help="Prior probability of spoofed speech; default: the detector card's.")
    ] = None,
    cost_miss: Annotated[float | None, typer.Option(help="Cost of rejecting bona fide speech.")] = None,
    cost_false_alarm: Annotated[float | None, typer.Option(help="Cost of accepting spoofed speech.")] = None,
    layout: Annotated[Literal["tsv", "json"], typer.Option("--format", help="tsv, or json lines.")] = "tsv",
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Files scored at once; 1 answers a slow stream.")
    ] = 32,
    jobs: JobsOption = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Report bad files and continue.")] = False,
    allow_code: AllowCodeOption = False,
) -> None:
    """Score audio files, one line each: score, log-likelihood ratio, probability of spoof, decision.

    Higher score and ratio = more bona fide. The probability is at the stated prior.

    Example: fsd-tuner score runs/la/detector recordings/
    """
    from fsd_model.detector.detector import Detector
    from fsd_model.errors import InputError

    loaded = Detector.load(detector, allow_code)
    point = loaded.card.operating_point.changed(prior_spoof, cost_miss, cost_false_alarm)
    if layout == "tsv":
        typer.echo(f"# {loaded.card.polarity}; {point.words()}")
        typer.echo("\t".join(_COLUMNS))
    began, done = time.perf_counter(), 0
    for path, value in _scored(loaded, files, jobs, batch, skip_bad):
        verdict = point.verdict(value, loaded.llr(value))
        typer.echo(_tsv(path, verdict) if layout == "tsv" else _json(path, verdict, loaded))
        done += 1
    if not done:
        raise InputError("no file could be scored; give FLAC, WAV or OGG files")
    seconds = time.perf_counter() - began
    typer.echo(f"{done} files in {seconds:.1f} s: {done / seconds:.1f} per second", err=True)


def _scored(
    detector: Detector, files: list[str], jobs: int, batch: int, skip_bad: bool
) -> Iterator[tuple[Path, float]]:
    from fsd_model.detector.batch_scoring import audio_files, score_files
    from fsd_model.errors import InputError

    for path, value in score_files(
        detector, audio_files(files, sys.stdin), jobs or os.cpu_count() or 1, batch
    ):
        if not isinstance(value, InputError):
            yield path, value
        elif skip_bad:
            typer.echo(f"left out: {value}", err=True)
        else:
            raise InputError(f"{value}; or skip bad files (--skip-bad)")


def _tsv(path: Path, verdict: Verdict) -> str:
    numbers = f"{verdict.score:+.4f}\t{verdict.llr:+.4f}\t{verdict.spoof_probability:.6f}"
    return f"{path}\t{numbers}\t{verdict.decision}"


def _json(path: Path, verdict: Verdict, detector: Detector) -> str:
    numbers = (verdict.score, verdict.llr, verdict.spoof_probability, verdict.decision)
    row = dict(zip(_COLUMNS, (str(path), *numbers), strict=True))
    return json.dumps({**row, "polarity": detector.card.polarity})
