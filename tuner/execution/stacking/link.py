"""What several attempts in one trial of Ray's tell the driver, and what they ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuner.execution.messages import ASKED, VALUE

Message = dict[str, Any]


class Link:
    """What a worker tells the driver, and asks it.

    Args:
        report: passes a message on; raises SystemExit where the search ends all that runs there.
        answer: waits for the answer to a question, by its number.

    Attributes:
        broken: the search has ended all that runs there; every further message raises SystemExit.
    """

    def __init__(self, report: Callable[[Message], None], answer: Callable[[int], Any]) -> None:
        self._report, self._answer = report, answer
        self._questions = 0
        self.broken = False

    def require(self) -> None:
        """Raise SystemExit where the search has ended all that runs here."""
        if self.broken:
            raise SystemExit

    def tell(self, message: Message) -> None:
        """Pass a message on."""
        self.require()
        try:
            self._report({VALUE: 0.0, **message})
        except SystemExit:
            self.broken = True
            raise

    def ask(self, message: Message) -> Any:
        """Pass a message on and wait for its answer."""
        self._questions += 1
        self.tell({**message, ASKED: self._questions})
        return self._answer(self._questions)
