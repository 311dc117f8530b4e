"""Files that were left out of a corpus because they are missing or do not decode (`data.skip_bad`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS
from fsd_model.settings import Settings

WAY_OUT = "or leave bad files out with data.skip_bad (--skip-bad)"


class LeftOut(Settings):
    """A file that was left out.

    Attributes:
        name: name of the utterance.
        reason: fault of its file.
    """

    name: str
    reason: str


def reason_of(utterance: Utterance, error: InputError) -> str:
    """Return the message of `error` without the path of the utterance."""
    return str(error).removeprefix(f"{utterance.path}: ")


def check_remaining(asked: Iterable[Utterance], kept: Iterable[Utterance], gone: Sequence[LeftOut]) -> None:
    """Raise if skipping bad files removed a whole class.

    Raises:
        InputError: every file of a class was bad; names the first bad file.
    """
    lost = {u.label for u in asked} - {u.label for u in kept}
    for key, label in LABELS.items():
        if label in lost:
            raise InputError(
                f"{gone[0].name}: each class must keep a good file, got no good {key} file: {len(gone)} left"
                f" out, this one first ({gone[0].reason})"
            )
