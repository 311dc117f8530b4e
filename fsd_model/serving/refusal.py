"""What a request gets that cannot be answered: a status and one line."""

from __future__ import annotations


class RefusalError(Exception):
    """A request that is turned down.

    Args:
        status: of HTTP.
        message: one line: what, the rule, the value, the way out.
        retry_s: when to ask again, seconds, or None.
    """

    def __init__(self, status: int, message: str, retry_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_s = retry_s

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {} if self.retry_s is None else {"Retry-After": str(self.retry_s)}
