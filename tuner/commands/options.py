"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped study.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue the search in DIR; start one if there is none.")
]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study; may be repeated.")
]
