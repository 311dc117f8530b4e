"""The command `submit`: a search on a running Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.commands.options import ResumeOption, SetOption

_Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="A local study file, or the name of a shipped study.")
]
_Out = Annotated[
    str, typer.Option(metavar="DIR", help="Folder on the cluster for all that the search writes.")
]
_Cluster = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Cluster file of `ray up`; runs `ray submit`.")
]
_Address = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Dashboard of the head, http://HEAD:8265; runs `ray job submit`."),
]
_Variables = Annotated[
    list[str],
    typer.Option("--env", metavar="NAME=VALUE", help="With --address: variable for the search; no secrets."),
]
_Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the search in DIR; start one if there is none.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the commands, run nothing.")]


def submit(
    study: _Study, out: _Out, cluster: _Cluster = None, address: _Address = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies it
    variables: _Variables = [],  # noqa: B006
    resume: ResumeOption = False, dry_run: _DryRun = False,
) -> None:  # fmt: skip
    """Run a search on a Ray cluster: send the study, follow the log, exit with the search's code."""
    from tuner.cluster.jobs import job, ray_submit, search_arguments
    from tuner.cluster.submit import command_text, run_job, run_on_head
    from tuner.errors import StudyError
    from tuner.study.load import load_study

    if (cluster is None) == (address is None):
        raise StudyError("submit: needs either --cluster FILE (of `ray up`) or --address http://HEAD:8265")
    if variables and cluster is not None:
        raise StudyError("--env: goes with --address; for a cluster of `ray up`, set variables in its file")
    loaded = load_study(study, overrides)
    arguments = search_arguments(loaded, out, resume)
    if cluster is not None:
        command = ray_submit(cluster, arguments)
        typer.echo(command_text(command))
        raise typer.Exit(0 if dry_run else run_on_head(command))
    sent = job(loaded, str(address), arguments, Path.cwd(), variables)
    typer.echo(f"{command_text(sent.submit())}\n{command_text(sent.follow())}")
    raise typer.Exit(0 if dry_run else run_job(sent))
