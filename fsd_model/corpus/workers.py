"""Staging folder and worker processes, one thread each, for making a corpus."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsd_model.progress import Progress

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ABANDONED_S = 3600.0


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out` that is deleted afterwards, unless it was renamed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.partial-"
    for abandoned in out.parent.glob(f"{prefix}*"):  # of a make that was killed
        if time.time() - abandoned.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(abandoned, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
    try:
        stage.chmod(0o755)  # mkdtemp makes it private
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def in_processes(
    write: Callable[..., None], *columns: Sequence[Any], jobs: int, progress: Progress | None
) -> None:
    """Call `write` for each row of `columns`.

    Each process has one thread: the last bits of a matrix product may depend on how many there are.

    Args:
        write: a function that other processes can import.
        columns: its arguments, each as long as the first.
        jobs: number of processes.
        progress: called with (rows done, all rows) after each row.
    """
    with _environment(_ONE_THREAD):
        pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
        try:
            for done, _ in enumerate(pool.map(write, *columns, chunksize=4), start=1):
                if progress is not None:
                    progress(done, len(columns[0]))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the processes started meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
