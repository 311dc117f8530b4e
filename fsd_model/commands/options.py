"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DetectorArgument = Annotated[Path, typer.Argument(help="Folder of an exported detector.")]
JobsOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Threads that read audio; 0 takes every core.")
]
AllowCodeOption = Annotated[
    bool, typer.Option("--allow-code", help="Import the custom network that the detector names.")
]
