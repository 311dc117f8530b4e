"""A progress bar on a terminal, nothing but a closing line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield `update(done, total)`; work that is never reported (all cached) shows nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, visible=False)
        reached = [0]

        def update(done: int, total: int) -> None:
            reached[0] = max(reached[0], total)
            bar.update(task, completed=done, total=total, visible=True)

        yield update
    if reached[0]:
        print(f"{title}: {reached[0]} files done", file=sys.stderr)
