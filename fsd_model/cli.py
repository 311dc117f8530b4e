"""The commands that know speech, for `fsd-tuner`; each imports its heavy parts itself, so `--help`
is fast.
"""

from __future__ import annotations

import typer

from fsd_model.commands import corpus, data
from fsd_model.commands.compare import compare
from fsd_model.commands.cuts import cuts
from fsd_model.commands.evaluate import evaluate
from fsd_model.commands.package import package
from fsd_model.commands.score import score
from fsd_model.commands.serve import serve
from fsd_model.commands.windows import windows

DETECTORS, DATA = "Detectors", "Data"  # groups of the help
app = typer.Typer(no_args_is_help=True)
app.add_typer(corpus.app, name="corpus", rich_help_panel=DATA)
app.command(rich_help_panel=DETECTORS)(cuts)
app.add_typer(data.app, name="data", rich_help_panel=DATA)
app.command(rich_help_panel=DETECTORS)(evaluate)
app.command(rich_help_panel=DETECTORS)(compare)
app.command(rich_help_panel=DETECTORS)(score)
app.command(rich_help_panel=DETECTORS)(windows)
app.command(rich_help_panel=DETECTORS)(serve)
app.command(rich_help_panel=DETECTORS)(package)
