"""`fsd-tuner windows`: scores a long recording window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument


def windows(
    detector: DetectorArgument,
    file: Annotated[Path, typer.Argument(help="Audio file of any length (FLAC, WAV, OGG).")],
    window: Annotated[
        float | None, typer.Option(help="Length of a window, s; default and maximum: what the detector uses.")
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
    scores = score_file_windows(loaded, file, window, hop)
    for start, end, score in zip(scores.starts_s, scores.ends_s, scores.scores.tolist(), strict=True):
        verdict = loaded.verdict(score)
        typer.echo(f"{start:.2f}\t{end:.2f}\t{score:+.4f}\t{verdict.llr:+.4f}\t{verdict.decision}")
    at = scores.worst_at
    typer.echo(f"mean {scores.mean:+.4f}\tthreshold {loaded.threshold:+.4f}\thigher = more bona fide")
    typer.echo(f"worst {scores.worst:+.4f}\t{scores.starts_s[at]:.2f}-{scores.ends_s[at]:.2f} s")
