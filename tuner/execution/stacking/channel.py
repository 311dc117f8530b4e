"""Messages of a stack to the driver, and questions that the driver answers through the mailbox.

Ray Tune answers a report with "continue" or "stop" for a whole Ray trial. A stack needs an answer for each
of its trials, and asks for new ones. So a message goes to the driver as a Ray Tune report, and its answer
comes back through an actor. `tune.report` returns after the driver has processed the report, so a stack
hardly waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

MEMBER = "member"  # [trial number, attempt] that a message is about
QUESTION = "question"  # number of a message that wants an answer; a repeated one has the same number
FREE = "free"  # how many trials may join
OVER = "over"  # the member has ended by itself


class MailboxLostError(Exception):
    """The mailbox has died, and the answers in it are lost."""


class Channel:
    """A stack's side of the conversation with the driver.

    Args:
        report: passes a message on; raises SystemExit where the search ends the whole stack.
        take: waits for the answer to a question, by its number; raises MailboxLostError.

    Attributes:
        closed: the search has ended the stack; every further message raises SystemExit.
    """

    def __init__(self, report: Callable[[Message], None], take: Callable[[int], Any]) -> None:
        self._report, self._take = report, take
        self._questions = 0
        self.closed = False

    def send(self, message: Message) -> None:
        """Pass a message on."""
        if self.closed:
            raise SystemExit
        try:
            self._report(message)
        except SystemExit:
            self.closed = True
            raise

    def ask(self, message: Message) -> Any:
        """Pass a message on and return the answer.

        If the mailbox has died, the same question is sent again: the driver then starts a new mailbox and
        repeats its answer. It does not process the message twice.
        """
        self._questions += 1
        while True:
            self.send({**message, QUESTION: self._questions})
            try:
                return self._take(self._questions)
            except MailboxLostError:
                continue
