"""Runs the command that starts a search on a cluster, and follows the search to its exit code."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuner.cluster.jobs import Job
from tuner.errors import StudyError, lines

_PROBE_S = 5.0
_AGAIN_S = 2.0
_START_S, _NOT_YET = 60.0, "No available agent to submit job"  # of a head that was just started
_PORTS = {"http": 80, "https": 443}
_NO_ANSWER = (
    "--address {}: no Ray dashboard answers there ({}); is the cluster up, has its head `ray[default]`, "
    "is the way to it open (`ssh -L 8265:localhost:8265 HEAD`)?"
)
_TOO_LARGE = "if that is about size: {} goes along, at most 100 MB packed; a .rayignore in it leaves more out"
_NO_AGENT = (
    "the head has no agent that takes jobs; most often its port, 52365 if none is named, is another's there: "
    "see dashboard_agent.log, start the head with `ray start --dashboard-agent-listen-port 0`"
)
_TOKEN = "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token (or put it in ~/.ray/auth_token)"


def shown(command: list[str]) -> str:
    """A command as a line for a shell; it holds no token, Ray reads that itself."""
    return shlex.join(command)


def run_on_head(command: list[str]) -> int:
    """Run `ray submit`, its output on this terminal.

    Args:
        command: from `ray_submit`.
    Returns:
        0, or 1 where the search ended with another code (Ray passes on no more; its log says which).
    Raises:
        StudyError: ssh or rsync is missing here.
    """
    for program in ("ssh", "rsync"):
        if shutil.which(program) is None:
            raise StudyError(f"{program} is missing on this machine, and `ray submit` needs it; install it")
    return subprocess.run(_runnable(command), env=_environment(), check=False).returncode


def _handed_over(job: Job) -> subprocess.CompletedProcess[str]:
    """Ray's answer to a job; a head that was just started takes none in its first seconds and says so."""
    deadline = time.monotonic() + _START_S
    while True:
        handed = subprocess.run(
            _runnable(job.submit()), env=_environment(), check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if not handed.returncode or _NOT_YET not in handed.stdout or time.monotonic() > deadline:
            return handed
        time.sleep(_AGAIN_S)


def run_job(job: Job) -> int:
    """Hand a job over and follow its log to the end.

    Args:
        job: from `job`.
    Returns:
        The search's exit code; 130 where Ctrl-C ended the following, not the search.
    Raises:
        StudyError: nobody answers, the token is missing or wrong, the job cannot be handed over.
    """
    client = _client(job.address)
    handed = _handed_over(job)
    if handed.returncode:
        way_out = _NO_AGENT if _NOT_YET in handed.stdout else _TOO_LARGE.format(job.folder)
        raise StudyError(f"the job was not taken: {_last_line(handed.stdout)}; {way_out}")
    print(f"submitted   {job.identity}; Ctrl-C ends the following, not the search", flush=True)
    try:
        return _follow(job, client)
    except KeyboardInterrupt:
        print(f"the search goes on   {shown(job.follow())}\nend it               {shown(job.stop())}")
        return 130


def _follow(job: Job, client: Any) -> int:
    while True:
        subprocess.run(_runnable(job.follow()), env=_environment(), check=False)
        info = _info(job, client)
        if info.status.is_terminal():
            failed = info.driver_exit_code or 1  # none where the job never came to run
            return 0 if info.status == "SUCCEEDED" else failed
        time.sleep(_AGAIN_S)  # the connection was lost, not the job


def _info(job: Job, client: Any) -> Any:
    """Raises StudyError where the head is gone."""
    try:
        return client.get_job_info(job.identity)
    except Exception as error:  # ConnectionError, RuntimeError: Ray's client has no error of its own
        way_out = f"see what became of it: {shown(job.follow())}; go on with it: --resume"
        raise StudyError(
            f"{job.identity}: the head answers no more ({lines(error)[0]}); {way_out}"
        ) from error


def _client(address: str) -> Any:
    parts = urlsplit(address)
    try:  # Ray itself would wait for minutes on a host that swallows packets
        where = (parts.hostname, parts.port or _PORTS[parts.scheme])
        socket.create_connection(where, timeout=_PROBE_S).close()
    except OSError as error:
        raise StudyError(_NO_ANSWER.format(address, error.strerror or error)) from error
    os.environ |= _token_mode()
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise StudyError(f"--address {address}: {reason}; {_TOKEN}") from error
    except (ConnectionError, RuntimeError) as error:
        raise StudyError(_NO_ANSWER.format(address, lines(error)[0])) from error


def _environment() -> dict[str, str]:
    return os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1"} | _token_mode()


def _token_mode() -> dict[str, str]:
    """Ray's client sends the token it finds only where it is told that tokens are in use."""
    found = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    known = found or (Path.home() / ".ray" / "auth_token").is_file()
    return {"RAY_AUTH_MODE": "token"} if known and "RAY_AUTH_MODE" not in os.environ else {}


def _runnable(command: list[str]) -> list[str]:
    """`ray ...` of the installation that runs here, whatever is on the PATH."""
    return [sys.executable, "-m", "ray.scripts.scripts", *command[1:]]


def _last_line(output: str) -> str:
    rows = [row.strip() for row in output.splitlines() if row.strip()]
    return rows[-1] if rows else "Ray says no more"
