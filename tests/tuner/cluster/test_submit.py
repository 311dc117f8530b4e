"""The commands that send a search to a cluster, what they refuse, and one real submission."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.ports import free_ports
from tests.tuner.support.studies import DEFAULT, journal, toy_study
from tuner.commands import app as cli
from tuner.commands import on_head as search_on_head
from tuner.study.load import load_study
from tuner.study.yaml_file import dump

ROOT = Path(__file__).parents[3]
TOKEN = "0123456789abcdef" * 4
HEAD = ["--address", "http://127.0.0.1:9"]


@pytest.fixture
def study(tmp_path: Path) -> str:
    file = tmp_path / "s.yaml"
    changes = {"name": "münster", "trials": 2, "epochs": 1, "settings": {"note": 'it\'s $HOME; `é` "x"\n😀'}}
    file.write_text(dump(toy_study(default=DEFAULT, **changes).to_dict()), encoding="utf-8")
    return str(file)


@pytest.fixture(autouse=True)
def _no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    """The commands of a dry run, as a shell would take them apart."""
    assert cli.run(["submit", *arguments, "--dry-run"]) == 0
    return [shlex.split(row) for row in _rows(capsys.readouterr().out)]


def _rows(output: str) -> list[str]:
    return [row for row in output.split("\nray ") if row]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(["submit", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err.removeprefix("error: ")


def test_a_job_is_the_whole_study_and_nothing_secret(
    study: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    sent = printed(
        capsys, study, "--out", "/shared/x", *HEAD, "--resume", "--env", "A=b=c", "--set", "trials=7"
    )
    submit, follow = sent
    assert submit[:5] == ["ray", "job", "submit", "--address", "http://127.0.0.1:9"]
    environment = json.loads(submit[submit.index("--runtime-env-json") + 1])
    assert environment["env_vars"] == {"A": "b=c"}
    assert {".git", "/.venv", "/build", "/data", ".env"} <= set(environment["excludes"])
    entry = submit[submit.index("--") + 1 :]
    assert entry[:3] == ["python", "-m", "tuner.commands.on_head"]
    assert entry[4:] == ["--out", "/shared/x", "--resume"]
    assert json.loads(entry[3])["trials"] == 7
    assert follow == [
        "job",
        "logs",
        "--address",
        HEAD[1],
        "--follow",
        submit[submit.index("--submission-id") + 1],
    ]
    assert TOKEN not in str(sent)


def test_the_study_arrives_as_it_was_read(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = printed(capsys, study, "--out", "/shared/x", *HEAD)[0]
    text = sent[sent.index("tuner.commands.on_head") + 1]
    (tmp_path / "arrived.yaml").write_text(text, encoding="utf-8")
    assert load_study(str(tmp_path / "arrived.yaml")) == load_study(study)


def test_a_shell_on_the_head_sees_the_same_arguments(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = str(ROOT / "docker" / "cluster.yaml")
    sent = printed(capsys, study, "--out", "/shared/a b", "--cluster", cluster)[0]
    assert sent[:5] == ["ray", "submit", cluster, search_on_head.__file__, "--"]
    # `ray submit` joins with spaces; bash takes it apart
    show = f'{sys.executable} -c "import json, sys; print(json.dumps(sys.argv[1:]))" {" ".join(sent[5:])}'
    arrived = json.loads(
        subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=True).stdout
    )
    assert arrived[1:] == ["--out", "/shared/a b"]
    assert json.loads(arrived[0]) == load_study(study).to_dict()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--out", "/x"], "submit: needs either --cluster FILE (of `ray up`) or --address http://HEAD:8265"),
        (
            ["--out", "/x", *HEAD, "--cluster", "c"],
            "submit: needs either --cluster FILE (of `ray up`) or --address",
        ),
        (
            ["--out", "/x", "--cluster", "no.yaml"],
            "--cluster no.yaml: no such file; give the one that `ray up`",
        ),
        (
            ["--out", "/x", "--address", "ray://h:10001"],
            "--address ray://h:10001: needs the head's dashboard, http",
        ),
        (
            ["--out", "/x", "--address", "h:8265"],
            "--address h:8265: needs the head's dashboard, http://HEAD:8265",
        ),
        (
            ["--out", "/x", "--address", "http://127.0.0.1:9"],
            "no Ray dashboard answers there (Connection refused)",
        ),
        (
            ["--out", "x", *HEAD],
            "--out x: is relative to a folder that the cluster does not have; give an absolute",
        ),
        (
            ["--out", "s3://b/x", *HEAD],
            "--out s3://b/x: needs a folder; set `storage` (--set storage=s3://b/x)",
        ),
        (["--out", "/x", *HEAD, "--env", "A"], "--env A: needs NAME=VALUE"),
        (["--out", "/x", "--cluster", "c", "--env", "A=1"], "--env: goes with --address"),
        (
            ["--out", "/x", *HEAD, "--set", "epoch=3"],
            "--set epoch=3: epoch: unknown key; did you mean `epochs`?",
        ),
    ],
)
def test_what_cannot_work_is_one_line(
    study: str, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert expected in refused(capsys, study, *arguments)


def test_the_home_folder_does_not_go_along(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is copied to the cluster; cd to the folder of your study" in refused(
        capsys, study, "--out", "/x", *HEAD
    )


def test_a_study_too_long_for_a_command_line_is_refused(
    study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"settings.note={'x' * 100_000}"
    assert "bytes are too long" in refused(capsys, study, "--out", "/x", *HEAD, "--set", long)


def test_ssh_and_rsync_are_asked_for(
    study: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    cluster = str(ROOT / "docker" / "cluster.yaml")
    line = refused(capsys, study, "--out", "/x", "--cluster", cluster)
    assert line.startswith("ssh is missing on this machine, and `ray submit` needs it")


def test_a_head_without_the_installation_says_so(tmp_path: Path) -> None:
    shutil.copy(search_on_head.__file__, tmp_path / "search_on_head.py")
    bare = [sys.executable, "-S", "-E", str(tmp_path / "search_on_head.py"), "smoke", "--out", "/x"]
    done = subprocess.run(bare, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "on the head has no module tuner; install fsd-tuner on every node" in done.stderr


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """A head with the dashboard on loopback that asks for a token; its address."""
    pytest.importorskip("aiohttp_cors", reason="needs the extra `cluster`")
    folder = Path(tempfile.mkdtemp(prefix="head"))  # short: a socket's path has 107 bytes at most
    (folder / "auth_token").write_text(TOKEN)
    gcs, dashboard, client = free_ports(3)
    programs = _python_first(folder)
    environment = os.environ | {
        "HOME": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "auth_token"),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "PATH": programs,
    }  # fmt: skip
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={gcs}",
        f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", "--dashboard-host=127.0.0.1",
        "--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={folder / 'r'}",
        "--dashboard-agent-listen-port=0",  # its own, 52365, may be an outgoing connection's of this machine
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{dashboard}", started, folder / "log")
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        _end_session(started)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_job_runs_and_its_exit_code_comes_back(
    tmp_path: Path, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, out = tmp_path / "project", tmp_path / "out"
    project.mkdir()
    toy = ROOT / "tests" / "tuner" / "support" / "toy.py"
    shutil.copy(toy, project / "mine.py")  # reaches the nodes with the job
    changes = {"trial": "mine:run", "name": "münster", "trials": 2, "epochs": 1, "concurrency": 2}
    (project / "s.yaml").write_text(dump(toy_study(**changes).to_dict()), encoding="utf-8")
    monkeypatch.chdir(project)
    arguments = ["submit", "s.yaml", "--out", str(out), "--address", head]
    code, output = _typed(*arguments)
    assert code == 2
    assert "Authentication required" in output.splitlines()[-1]

    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    code, output = _typed(*arguments)
    assert code == 0, output
    assert "best        trial " in output
    assert TOKEN not in output
    assert journal(out)[-1]["state"] == "complete"
    assert load_study(str(out / "study.yaml")).name == "münster"

    code, output = _typed(*arguments)
    assert code == 2  # the search's own code
    assert "holds a study already" in output


def _typed(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from tuner.commands.app import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _python_first(folder: Path) -> str:
    """A PATH on which `python` is this one."""
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def _wait_for(address: str, started: subprocess.Popen[Any], log: Path) -> None:
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert started.poll() is None, log.read_text()
        try:
            urlopen(f"{address}/api/version", timeout=2)
        except HTTPError as refusal:
            if refusal.code == 401:  # it is there, and asks for the token
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def _end_session(started: subprocess.Popen[Any]) -> None:
    started.terminate()
    with suppress(subprocess.TimeoutExpired):
        started.wait(20)
    for pid in _members(started.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.wait()


def _members(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(ValueError, OSError):
            if os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
    return found
