"""`fsd-tuner score`: audio files scored by a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    detector: Annotated[Path, typer.Argument(help="Folder of an exported detector.")],
    files: Annotated[list[Path], typer.Argument(help="Audio files (FLAC, WAV, OGG).")],
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Import the network of one's own that the detector names.")
    ] = False,
) -> None:
    """Score audio files, one line each: file, score, decision, threshold. Higher = more bona fide."""
    from fsd_model.detector import Detector
    from fsd_model.errors import InputError

    loaded = Detector.load(detector, allow_code)
    failed = 0
    for path in files:
        try:
            value = loaded.score_file(path)
        except InputError as error:
            typer.echo(f"error: {error}", err=True)
            failed += 1
            continue
        typer.echo(f"{path}\t{value:+.4f}\t{loaded.decide(value)}\tthreshold {loaded.card.threshold:+.4f}")
    if failed:
        raise typer.Exit(2)
