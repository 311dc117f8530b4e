"""Commands that other packages add: beside the search's own, and never in its way."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

import tuner
from tuner.commands import app as cli


def test_a_broken_plugin_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        name = "broken"

        def load(self) -> Any:
            raise ImportError("no such thing")

    monkeypatch.setattr(cli, "entry_points", lambda group: [Broken()])
    cli._add_plugins()
    assert capsys.readouterr().err == "warning: the commands of broken are missing: no such thing\n"


def test_a_plugin_s_commands_stand_beside_the_search_s_and_its_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, group = typer.Typer(), typer.Typer()

    @plugin.command()
    def measure() -> None:
        raise ValueError("speech.flac: empty; give another file")

    @group.command()
    def make() -> None:
        typer.echo("made")

    plugin.add_typer(group, name="things")
    group.command("other")(make)

    class Entry:
        name = "speech"

        def load(self) -> Any:
            return plugin

    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    monkeypatch.setattr(cli.app, "registered_groups", list(cli.app.registered_groups))
    monkeypatch.setattr(cli, "entry_points", lambda group: [Entry()])
    cli._add_plugins()
    assert cli.run(["measure"]) == 2
    assert capsys.readouterr().err == "error: speech.flac: empty; give another file\n"
    assert cli.run(["things", "make"]) == 0
    assert capsys.readouterr().out == "made\n"


def test_the_help_has_groups_and_imports_no_framework() -> None:
    code = """
import sys
from tuner.commands import app
sys.argv = ["fsd-tuner", "--help"]
try:
    app.main()
except SystemExit:
    print([name for name in ("ray", "torch", "mlflow", "optuna", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [
        name for name in ("Search", "Results", "Detectors", "Data") if f" {name} " not in done.stdout
    ] == []
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"fsd-tuner {tuner.__version__}\n"
