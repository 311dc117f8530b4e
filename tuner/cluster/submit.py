"""Sends a search to a cluster and follows it to its exit code."""

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
    "is the port reachable (`ssh -L 8265:localhost:8265 HEAD`)?"
)
_TOO_LARGE = (
    "if that is about size: {} is copied, at most 100 MB packed; list what to leave out in its .rayignore"
)
_NO_AGENT = (
    "the head has no agent that takes jobs; most often another process has its port (52365 by default): "
    "see dashboard_agent.log, start the head with `ray start --dashboard-agent-listen-port 0`"
)
_TOKEN = "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token (or put it in ~/.ray/auth_token)"


def command_text(command: list[str]) -> str:
    """Return a command as a line for a shell; it holds no token, which Ray reads by itself."""
    return shlex.join(command)


def run_on_head(command: list[str]) -> int:
    """Run `ray submit`, its output on this terminal.

    Args:
        command: from `ray_submit`.
    Returns:
        0, or 1 if the search ended with another code, which `ray submit` does not pass on.
    Raises:
        StudyError: ssh or rsync is missing here.
    """
    for program in ("ssh", "rsync"):
        if shutil.which(program) is None:
            raise StudyError(f"{program} is missing on this machine, and `ray submit` needs it; install it")
    return subprocess.run(_runnable(command), env=_environment(), check=False).returncode


def _submitted(job: Job) -> subprocess.CompletedProcess[str]:
    """Submit a job; a head that has just started refuses jobs for some seconds, so try again."""
    deadline = time.monotonic() + _START_S
    while True:
        process = subprocess.run(
            _runnable(job.submit()), env=_environment(), check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if not process.returncode or _NOT_YET not in process.stdout or time.monotonic() > deadline:
            return process
        time.sleep(_AGAIN_S)


def run_job(job: Job) -> int:
    """Submit a job and follow its log to the end.

    Args:
        job: from `job`.
    Returns:
        The search's exit code; 130 if Ctrl-C ended the following, not the search.
    Raises:
        StudyError: no answer, a missing or wrong token, or a job that is not accepted.
    """
    client = _client(job.address)
    process = _submitted(job)
    if process.returncode:
        way_out = _NO_AGENT if _NOT_YET in process.stdout else _TOO_LARGE.format(job.folder)
        raise StudyError(f"the job was not accepted: {_last_line(process.stdout)}; {way_out}")
    print(f"submitted   {job.identity}; Ctrl-C ends the following, not the search", flush=True)
    try:
        return _follow(job, client)
    except KeyboardInterrupt:
        print(f"the search continues {command_text(job.follow())}")
        print(f"end it               {command_text(job.stop())}")
        return 130


def _follow(job: Job, client: Any) -> int:
    while True:
        subprocess.run(_runnable(job.follow()), env=_environment(), check=False)
        info = _info(job, client)
        if info.status.is_terminal():
            failed = info.driver_exit_code or 1  # None if the job never ran
            return 0 if info.status == "SUCCEEDED" else failed
        time.sleep(_AGAIN_S)  # the connection was lost, not the job


def _info(job: Job, client: Any) -> Any:
    """Return the job's state; raise StudyError if the head does not answer."""
    try:
        return client.get_job_info(job.identity)
    except Exception as error:  # ConnectionError, RuntimeError: Ray's client has no error of its own
        way_out = f"see its log: {command_text(job.follow())}; resume it with --resume"
        raise StudyError(
            f"{job.identity}: the head node stopped responding ({lines(error)[0]}); {way_out}"
        ) from error


def _client(address: str) -> Any:
    parts = urlsplit(address)
    try:  # Ray would wait for minutes for a host that drops packets
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
    """Return the environment that makes Ray's client send its token, if there is one."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    known = given or (Path.home() / ".ray" / "auth_token").is_file()
    return {"RAY_AUTH_MODE": "token"} if known and "RAY_AUTH_MODE" not in os.environ else {}


def _runnable(command: list[str]) -> list[str]:
    """Return the command run by the Ray of this installation, whatever is on the PATH."""
    return [sys.executable, "-m", "ray.scripts.scripts", *command[1:]]


def _last_line(output: str) -> str:
    rows = [row.strip() for row in output.splitlines() if row.strip()]
    return rows[-1] if rows else "no message from Ray"
