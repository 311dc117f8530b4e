"""The MLflow client as the search uses it: quiet, without telemetry, and what its errors mean."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, RetryError, Timeout

from tuner.errors import StudyError, lines
from tuner.tracking import URI

__all__ = ["MlflowException", "attempts_worth", "make_store", "open_client", "pages", "refused"]

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a run that is made again unseen is a second run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_AWAY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_TRIES = 5.0  # of what the server fails at for a reason of its own


def open_client(uri: str) -> Any:
    """A client of a store; nothing is asked of it yet."""
    _quiet()
    return MlflowClient(tracking_uri=uri)


def _quiet() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def make_store(path: Path) -> None:
    """Make an empty store at a path, unless there is one; one that is half made is never seen under its name.

    MLflow builds a store in dozens of steps that it cannot take up again: one that was killed in between is
    refused for ever.
    """
    if path.exists():
        return
    _quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    making = path.with_name(f".{path.name}.making")
    making.unlink(missing_ok=True)
    store: Any = SqlAlchemyStore(f"sqlite:///{making}", (path.parent / "artifacts").as_uri())  # type: ignore[no-untyped-call]
    store.engine.dispose()
    making.rename(path)


def attempts_worth(error: Exception) -> float:
    """How often a delivery that failed so is worth trying.

    Returns:
        inf where nobody answers, 5 where the server fails, 1 where it refuses what it was given.
    """
    cause = _transport(error)
    if cause is not None:
        broken = isinstance(cause, RetryError) and "too many 500" in str(cause)
        return _TRIES if broken else math.inf
    if isinstance(error, MlflowException):
        if error.error_code in _AWAY:
            return math.inf
        return _TRIES if error.error_code == "INTERNAL_ERROR" else 1.0
    return _TRIES if isinstance(error, OSError) else 1.0


def refused(error: MlflowException) -> StudyError:
    """One line for a store that cannot be opened."""
    uri = os.environ.get(URI)
    cause = _transport(error)
    if not uri or cause is None:
        return StudyError(f"MLflow: {lines(error)[0]}; check {URI}")
    parts = urlsplit(uri)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # never a password
    reason = "no answer in time" if isinstance(cause, Timeout) else _innermost(cause)
    way_out = f"start it, or unset {URI} to track in the study's folder"
    return StudyError(f"{URI}={shown}: no MLflow server answers there: {reason}; {way_out}")


def pages(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    """Every run that fulfils a condition, however many there are."""
    token = None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _transport(error: BaseException | None) -> RequestException | None:
    """What went wrong between here and the server, as distinct from what the server answered."""
    while error is not None:
        if isinstance(error, (NoConnection, Timeout, RetryError)):
            return error
        error = error.__cause__ or error.__context__
    return None


def _innermost(error: RequestException) -> str:
    """`Connection refused` out of what three libraries wrap around it."""
    inner: BaseException = error
    while inner.args and isinstance(reason := getattr(inner.args[0], "reason", inner.args[0]), BaseException):
        inner = reason
    chain: BaseException | None = inner
    while chain is not None:
        if isinstance(chain, OSError) and chain.strerror:
            return chain.strerror
        chain = chain.__cause__ or chain.__context__
    return lines(inner)[0]
