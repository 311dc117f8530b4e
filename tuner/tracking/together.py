"""Events put together that one call can deliver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuner.journal.event import Event, EventKind


def together(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Reports of one trial that nothing else of it comes between as one group; each other event by itself.

    What is said of one trial stays in its order, and what is said of the study after all that came before it.
    """
    reports: dict[int | None, list[Event]] = {}
    for event in events:
        if event.kind is EventKind.TRIAL_REPORTED:
            reports.setdefault(event.trial, []).append(event)
            continue
        for trial in [event.trial] if event.trial is not None else list(reports):
            if trial in reports:
                yield reports.pop(trial)
        yield [event]
    yield from reports.values()
