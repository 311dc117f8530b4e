"""Reports of progress, and a bar that shows them: on a terminal only, elsewhere one closing line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress: TypeAlias = Callable[[int, int], None]
"""Called as work proceeds, with (done, total)."""


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield the function that updates the bar; work that reports nothing (all cached) shows nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, visible=False)
        counted = _Counted()

        def update(done: int, total: int) -> None:
            counted.add(done)
            bar.update(task, completed=done, total=total, visible=True)

        yield update
    if counted.total:
        print(f"{title}: {counted.total} files done", file=sys.stderr)


class _Counted:
    """Files done in all, over several passes that each count from the start."""

    def __init__(self) -> None:
        self.total = 0
        self._last = 0

    def add(self, done: int) -> None:
        self.total += done - self._last if done > self._last else done
        self._last = done
