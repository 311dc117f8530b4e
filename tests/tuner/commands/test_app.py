"""The commands as a user types them: what they print, what they return, and how they say no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tuner.support.studies import DEFAULT, toy_study
from tuner.commands import app as cli
from tuner.study.study import Study
from tuner.study.yaml_file import dump
from tuner.workflows.search import SearchResult


@pytest.fixture
def study(tmp_path: Path) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(dump(toy_study(default=DEFAULT, trials=5).to_dict()))
    return str(file)


def fsd_tuner(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from tuner.commands.app import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that refuses."""
    assert cli.run(list(arguments)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_help_starts_fast_and_imports_nothing_heavy() -> None:
    code = "import sys; from tuner.commands.app import main\ntry: main()\nfinally: print(sorted(sys.modules))"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    took = time.monotonic() - begun
    for command in ("check", "search", "train", "ui"):
        assert f" {command} " in done.stdout
    for heavy in ("ray", "mlflow", "optuna", "torch", "numpy"):
        assert f"'{heavy}'" not in done.stdout
    assert took < 5  # a second on an idle machine


def test_check_shows_the_space_and_tries_it(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", study]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:-1]}
    assert rows["x"] == ["float", "0", "to", "1", "0.95"]
    assert rows["optim.rate"] == ["log", "0.0001", "to", "1", "0.5"]
    assert rows["cuts"][:6] == ["cuts", "1", "to", "2", "of", "1..3"]
    assert out.splitlines()[-1] == "ok: toy: 200 sampled configurations built, 9 extremes tried for a step"


def test_check_names_the_configuration_that_does_not_work(
    study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["check", study, "--set", "settings.check_above=0.99"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: the configuration [x=")
    assert "does not work: x: needs at most 0.99, got" in err
    assert cli.run(["check", study, "--set", "settings.no_step_from=64"]) == 2
    err = capsys.readouterr().err
    assert "width=64" in err
    assert "does not work: RuntimeError: out of memory" in err
    assert cli.run(["check", study, "--set", "settings.reject=no corpus in x"]) == 2
    assert capsys.readouterr().err == "error: settings.reject: no corpus in x\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no.such.module:run", "no module no; install the package, or start in the folder that holds it"),
        ("tests.tuner.support.toy:rum", "tests.tuner.support.toy has no function `rum`; did you mean `run`?"),
        ("tests.tuner.support.toy:FLOOR", "has no function `FLOOR`"),
        ("tests.tuner.support.toy:loss", "must take (config, context), but too many positional arguments"),
    ],
)
def test_a_trial_function_that_is_not_there_is_one_line(
    study: str, capsys: pytest.CaptureFixture[str], name: str, expected: str
) -> None:
    assert expected in error(capsys, "check", study, "--set", f"trial={name}")


def test_user_errors_are_one_line_and_two(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "unknown key; did you mean" in error(capsys, "check", study, "--set", "epoch=3")
    assert "holds no study.yaml" in error(capsys, "ui", str(tmp_path))
    assert "is no single trial; give a best.yaml" in error(capsys, "train", study)
    assert "is a file; give a folder" in error(capsys, "search", study, "--out", study)
    (tmp_path / "journal.jsonl").write_text("{}\n")
    assert "holds a study already" in error(capsys, "search", study, "--out", str(tmp_path))


def test_debug_shows_the_traceback_before_and_after_a_command() -> None:
    for arguments in (("--debug", "check", "/no/such.yaml"), ("check", "/no/such.yaml", "--debug")):
        done = fsd_tuner(*arguments)
        assert "Traceback" in done.stderr
        assert "StudyError: /no/such.yaml" in done.stderr
    done = fsd_tuner("check", "/no/such.yaml")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["search"]) == 2
    assert "Missing argument" in capsys.readouterr().err
    assert cli.run(["serch"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_a_search_piped_is_plain_lines_and_a_result(study: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fsd_tuner("search", study, "--out", str(out), "--trials", "6", "--set", "scheduler.name=none")
    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "starting Ray ..."
    assert (
        sum(line.startswith("trial ") and "complete after 4/4 epochs: dev/loss " in line for line in lines)
        == 6
    )
    assert lines[-7].startswith("6/6 trials, 6 complete, best dev/loss ")
    titles = [line.split()[0] for line in lines[-6:]]
    assert titles == ["best", "default", "config", "exported", "report", "compare"]
    assert "trial 0: dev/loss " in lines[-5]
    assert "the best is better by" in lines[-5]
    assert f"{out}/best.yaml" in lines[-4]
    assert lines[-3].endswith(f"{out}/detector")
    assert lines[-2].endswith(f"fsd-tuner report {out}")
    assert lines[-1].endswith(f"fsd-tuner ui {out}")


@pytest.mark.usefixtures("ray_cluster")
def test_a_search_joins_the_cluster_that_ray_address_names_and_leaves_it_running(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    before, address = ray.cluster_resources(), ray.get_runtime_context().gcs_address
    monkeypatch.setenv("RAY_ADDRESS", address)
    sets = (
        "--set",
        "trial=tests.tuner.support.probe:run",
        "--set",
        f"settings.file={tmp_path / 'seen.json'}",
    )
    done = fsd_tuner(
        "search", study, "--out", str(tmp_path / "out"), "--trials", "1", *sets, "--set", "epochs=1"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "seen.json").read_text())["cluster"] == address
    assert ray.cluster_resources() == before


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9", "no Ray cluster answers there; start it, or unset RAY_ADDRESS"),
        ("ray://127.0.0.1:10001", "a search cannot be driven through a proxy; give HOST:PORT"),
        ("cluster", "needs HOST:PORT"),
    ],
)
def test_a_cluster_that_does_not_answer_is_one_line(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    address: str, expected: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert error(capsys, "search", study, "--out", str(tmp_path / "out")).startswith(
        f"error: RAY_ADDRESS={address}: "
    )
    assert expected in error(capsys, "search", study, "--out", str(tmp_path / "out"))


@pytest.mark.usefixtures("ray_cluster")
def test_a_search_without_a_mature_trial_says_so_and_returns_one(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sets = ["--set", "settings.fate=fail", "--trials", "2"]
    assert cli.run(["search", study, "--out", str(out), *sets]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "no trial ran its 4 epochs, so there is no best.yaml (2 failed); the first failure: Runtime"
    )
    assert not (out / "best.yaml").exists()


def test_train_compares_with_the_record(
    searched: tuple[Path, Study, SearchResult], capsys: pytest.CaptureFixture[str]
) -> None:
    best = str(searched[0] / "best.yaml")
    assert cli.run(["train", best]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == [f"epoch {epoch}/6" for epoch in range(1, 7)]
    assert lines[-1].startswith("same        dev/loss ")
    assert cli.run(["train", best, "--set", "settings.x=0.9"]) == 1
    *_, result, note = capsys.readouterr().out.splitlines()
    assert "differs by +" in result
    assert note == "note        --set changed 1 setting(s), so a different value is expected"


def test_nothing_is_written_in_the_home_folder(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert fsd_tuner("search", study, "--out", str(tmp_path / "out"), "--trials", "1").returncode == 0
    assert list(home.iterdir()) == []
    assert os.listdir(tmp_path / "out")
