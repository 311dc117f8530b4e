"""Events of a search. The journal keeps them, and everything else can be rebuilt from them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

FORMAT = 3  # raised whenever the name or content of an event changes
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class EventKind(StrEnum):
    """Kinds of events, with the keys of their content.

    STUDY_STARTED: format, search (an id), study, memory (of the searcher).
    STUDY_RESUMED: trials, resources.
    STUDY_CONCLUDED: metrics, files, tags.
    STUDY_ENDED: state, reason, trials.
    TRIAL_STARTED: params, encoded.
    TRIAL_REPORTED: epoch, metrics, checkpoint, seconds.
    TRIAL_SAVED, the checkpoint of a report that repeats an earlier one: epoch, checkpoint.
    TRIAL_RETRIED: cause, reason, changes, seconds.
    TRIAL_PAUSED: none.
    TRIAL_RESUMED: action, donor, reason; with a donor also params, epoch, checkpoint.
    TRIAL_ENDED: state, reason, epoch, trace, seconds.
    """

    STUDY_STARTED = "study_started"
    STUDY_RESUMED = "study_resumed"
    STUDY_CONCLUDED = "study_concluded"
    STUDY_ENDED = "study_ended"
    TRIAL_STARTED = "trial_started"
    TRIAL_REPORTED = "trial_reported"
    TRIAL_SAVED = "trial_saved"
    TRIAL_RETRIED = "trial_retried"
    TRIAL_PAUSED = "trial_paused"
    TRIAL_RESUMED = "trial_resumed"
    TRIAL_ENDED = "trial_ended"


SESSIONS = (EventKind.STUDY_STARTED, EventKind.STUDY_RESUMED)


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: what happened.
        trial: number of the trial, None for the whole search.
        content: plain values, with the keys listed at `EventKind`.
        time: seconds since 1970.
    """

    kind: EventKind
    trial: int | None = None
    content: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def to_dict(self) -> dict[str, Any]:
        """Return the event as one JSON object, with "nan", "inf" and "-inf" as text."""
        when = datetime.fromtimestamp(self.time, UTC).isoformat()
        trial = {} if self.trial is None else {"trial": self.trial}
        return {
            "event": self.kind.value,
            "time": when,
            **trial,
            **{k: _plain(v) for k, v in self.content.items()},
        }

    @staticmethod
    def from_dict(entry: dict[str, Any]) -> Event:
        """Return the event of a JSON object from `to_dict`.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: no event.
        """
        content = {key: value for key, value in entry.items() if key not in ("event", "time", "trial")}
        if "metrics" in content:
            metrics = content["metrics"].items()
            content["metrics"] = {name: _WORDS.get(value, value) for name, value in metrics}
        when = datetime.fromisoformat(entry["time"]).timestamp()
        return Event(EventKind(entry["event"]), entry.get("trial"), content, when)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node
