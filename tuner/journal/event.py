"""What happens in a search, as events: the journal keeps them, all else can be rebuilt from them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

FORMAT = 2
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class EventKind(StrEnum):
    """What an event says, and what its content holds.

    STUDY_STARTED: format, search (an id), study, memory (of the sampler). STUDY_RESUMED: trials, resources.
    STUDY_CONCLUDED: figures, files, tags. STUDY_ENDED: state, reason, trials. TRIAL_STARTED: params (the
    params), encoded. TRIAL_REPORTED: epoch, metrics, checkpoint, seconds. TRIAL_SAVED (of a report that only
    repeats an earlier one): epoch, checkpoint. TRIAL_RETRIED: cause, reason, changes, seconds. TRIAL_PAUSED:
    nothing. TRIAL_RESUMED: action, donor, reason; with a donor params, epoch, checkpoint. TRIAL_ENDED:
    state, reason, epoch, trace, seconds.
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
        kind: what.
        trial: the trial's number, None where the whole search is meant.
        content: plain values, as listed at `EventKind`.
        time: seconds since 1970.
    """

    kind: EventKind
    trial: int | None = None
    content: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def to_dict(self) -> dict[str, Any]:
        """As one JSON object: no NaN or inf but the texts "nan", "inf", "-inf"."""
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
        """The event that `plain` made.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: another content.
        """
        content = {key: value for key, value in entry.items() if key not in ("event", "time", "trial")}
        for key in ("metrics", "figures"):
            if key in content:
                content[key] = {name: _WORDS.get(value, value) for name, value in content[key].items()}
        when = datetime.fromisoformat(entry["time"]).timestamp()
        return Event(EventKind(entry["event"]), entry.get("trial"), content, when)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node
