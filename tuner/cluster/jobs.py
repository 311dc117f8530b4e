"""Commands that send a search to a cluster: `ray submit` and `ray job submit`."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tuner.errors import StudyError
from tuner.study.study import Study

# not copied with a job's folder; `/data` only at its top, since a package may hold a `data`
EXCLUDES = (
    ".git", "/.venv", "/venv", "/build", "/dist", "/data", "/runs", "/mlruns", "mlflow.db*", "__pycache__",
    ".*_cache", "*.egg-info", ".env",
)  # fmt: skip
ON_HEAD = "tuner.commands.on_head"
_LONGEST = 100_000  # Linux takes 131,072 bytes for one argument
_JOB_VARIABLES = "--env {}: needs NAME=VALUE, such as MLFLOW_TRACKING_URI=http://mlflow:5000"


@dataclass(frozen=True)
class Job:
    """A search as a Ray job.

    Attributes:
        address: of the head's dashboard, `http://HEAD:8265`.
        identity: submission id, new for each job.
        arguments: of `tuner.commands.on_head`.
        folder: copied to every node; trials are imported from it.
        variables: environment of the job.
    """

    address: str
    identity: str
    arguments: list[str]
    folder: Path
    variables: Mapping[str, str]

    def submit(self) -> list[str]:
        """Return the command that submits the job."""
        environment = {"excludes": list(EXCLUDES), "env_vars": dict(self.variables)}
        return [
            "ray", "job", "submit", "--address", self.address, "--submission-id", self.identity,
            "--working-dir", str(self.folder), "--runtime-env-json", json.dumps(environment), "--no-wait",
            "--", "python", "-m", ON_HEAD, *self.arguments,
        ]  # fmt: skip

    def follow(self) -> list[str]:
        """Return the command that follows the job's log to its end."""
        return ["ray", "job", "logs", "--address", self.address, "--follow", self.identity]

    def stop(self) -> list[str]:
        """Return the command that ends the job."""
        return ["ray", "job", "stop", "--address", self.address, self.identity]


def job(study: Study, address: str, arguments: list[str], folder: Path, variables: Sequence[str]) -> Job:
    """Return a job for the head at `address`.

    Args:
        study: names the job.
        address: of the head's dashboard.
        arguments: from `search_arguments`.
        folder: the user's working folder, copied to the cluster.
        variables: NAME=VALUE each.
    Raises:
        StudyError: no http address, a folder that cannot be copied, a variable without a value.
    """
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
        raise StudyError(f"--address {address}: needs the head's dashboard, http://HEAD:8265")
    if folder in (Path.home(), Path("/")):
        raise StudyError(
            f"{folder}: the working folder is copied to the cluster; cd to the folder of your study"
        )
    for variable in variables:
        if not variable.partition("=")[0] or "=" not in variable:
            raise StudyError(_JOB_VARIABLES.format(variable))
    pairs = {name: value for name, _, value in (each.partition("=") for each in variables)}
    identity = f"{study.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return Job(address.rstrip("/"), identity, arguments, folder, pairs)


def ray_submit(cluster: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a search on the head of a `ray up` cluster and follows it.

    Args:
        cluster: the file given to `ray up`.
        arguments: from `search_arguments`.
    Raises:
        StudyError: there is no such file.
    """
    if not cluster.is_file():
        raise StudyError(f"--cluster {cluster}: no such file; give the one that `ray up` was given")
    script = str(find_spec(ON_HEAD).origin)  # type: ignore[union-attr]
    # Ray joins the script's arguments with spaces and hands them to a shell
    return ["ray", "submit", str(cluster), script, "--", *map(shlex.quote, arguments)]


def search_arguments(study: Study, out: str, resume: bool) -> list[str]:
    """Return the arguments of `tuner.commands.on_head`: the whole study, as read and checked here.

    Args:
        study: variables filled in, changes of the command line applied.
        out: the study folder, on the cluster.
        resume: resume the search in that folder.
    Raises:
        StudyError: `out` cannot be a folder on the cluster, or the study is too long for a command line.
    """
    if "://" in out:
        way_out = (
            f"set `storage` (--set storage={out}) and give --out a folder on the head for journal and result"
        )
        raise StudyError(f"--out {out}: needs a folder; {way_out}")
    if not out.startswith("/"):
        way_out = "give an absolute path on the cluster that every node sees, such as /shared/runs/la"
        raise StudyError(f"--out {out}: is relative to a folder that the cluster does not have; {way_out}")
    text = json.dumps(study.to_dict(), allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > _LONGEST:
        way_out = "shorten `points`, or run `fsd-tuner search` on the head"
        raise StudyError(
            f"{study.name}: {len(text.encode())} bytes are too long for a command line; {way_out}"
        )
    return [text, "--out", out, *(["--resume"] if resume else [])]
