"""`fsd-tuner windows`: a long recording scored window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument


def windows(
    detector: DetectorArgument,
    file: Annotated[Path, typer.Argument(help="Audio file of any length (FLAC, WAV, OGG).")],
    window: Annotated[
        float | None, typer.Option(help="Length of a window, s; default and most: what the detector hears.")
    ] = None,
    hop: Annotated[float | None, typer.Option(help="From start to start, s; default: half a window.")] = None,
    allow_code: AllowCodeOption = False,
) -> None:
    """Score a recording window by window: start, end, score, LLR, decision; then mean and worst score.

    Example: fsd-tuner windows runs/la/detector long.flac
    """
    from fsd_model.detector.detector import Detector
    from fsd_model.detector.windows import score_file_windows

    loaded = Detector.load(detector, allow_code)
    found = score_file_windows(loaded, file, window, hop)
    for start, end, score in zip(found.starts_s, found.ends_s, found.scores.tolist(), strict=True):
        told = loaded.verdict(score)
        typer.echo(f"{start:.2f}\t{end:.2f}\t{score:+.4f}\t{told.llr:+.4f}\t{told.decision}")
    at = found.worst_at
    typer.echo(f"mean {found.mean:+.4f}\tthreshold {loaded.threshold:+.4f}\thigher = more bona fide")
    typer.echo(f"worst {found.worst:+.4f}\t{found.starts_s[at]:.2f}-{found.ends_s[at]:.2f} s")
