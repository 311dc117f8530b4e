"""The answer to a refused request: a status and one line."""

from __future__ import annotations


class RefusalError(Exception):
    """A refused request.

    Args:
        status: HTTP status.
        message: one line: subject, rule, value, way out.
        retry_s: time until a retry makes sense, seconds, or None.
    """

    def __init__(self, status: int, message: str, retry_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_s = retry_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {} if self.retry_s is None else {"Retry-After": str(self.retry_s)}
