"""A search on the cluster of this head, started by `fsd-tuner submit`.

    python search_on_head.py STUDY --out DIR [--resume] ...

`ray submit` copies this file to the head, `ray job submit` runs it as a module; everything else must be
installed on every node. STUDY is as for `fsd-tuner search`, or a whole study as JSON.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

NOT_INSTALLED = (
    "error: {} on the head has no module {}; install fsd-tuner on every node for the `python` that comes "
    "first on the PATH where Ray is started"
)


def run(arguments: list[str]) -> int:
    """Run a search.

    Args:
        arguments: of `fsd-tuner search`; the first may be a study as JSON.
    Returns:
        The search's exit code.
    """
    _join_cluster()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a job's log is a file that the user follows
    try:
        from tuner.commands.app import run as run_command
    except ModuleNotFoundError as error:
        print(NOT_INSTALLED.format(sys.executable, error.name), file=sys.stderr)
        return 2
    study, *others = arguments
    with tempfile.TemporaryDirectory(prefix="fsd-study-") as folder:
        return run_command(["search", _as_file(study, Path(folder)), *others])


def _join_cluster() -> None:
    os.environ.setdefault("RAY_ADDRESS", "auto")
    known = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if known or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # a login shell on the head does not set it


def _as_file(study: str, folder: Path) -> str:
    if not study.startswith("{"):
        return study
    file = folder / "study.yaml"
    file.write_text(study, encoding="utf-8")  # JSON is YAML
    return str(file)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
