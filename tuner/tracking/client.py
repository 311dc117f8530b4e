"""The MLflow client as the search uses it: quiet, without telemetry, and what its errors mean."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, RetryError, Timeout
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from urllib3.exceptions import TimeoutError as SlowServer

from tuner.errors import StudyError, lines
from tuner.tracking.address import URI, without_password

__all__ = [
    "MlflowException", "StoreError", "attempts_worth", "make_store", "open_client", "pages", "reason_of",
    "refused",
]  # fmt: skip

StoreError = (MlflowException, SQLAlchemyError)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a run that is made again unseen is a second run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "PGCONNECT_TIMEOUT": "20",
}
_DATABASES = ("postgresql", "mysql", "mssql")
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_TEXT = 300  # characters of a reason
_AWAY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_TRIES = 5.0  # of what the server fails at for a reason of its own


def open_client(uri: str) -> Any:
    """A client of a store; nothing is asked of it yet.

    Raises:
        StudyError: a database without its driver.
        SQLAlchemyError: a database that does not answer.
    """
    _quiet()
    if uri.partition(":")[0].partition("+")[0] in _DATABASES:
        _reach(uri)
    return MlflowClient(tracking_uri=uri)


def _quiet() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # an error is raised, and said in one line


def make_store(path: Path) -> None:
    """SearcherFactory an empty store at a path, unless there is one; one that is half made is never seen under its name.

    MLflow builds a store in dozens of steps that it cannot take up again: one that was killed in between is
    refused for ever.
    """
    if path.exists():
        return
    _quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    making = path.with_name(f".{path.name}.making")
    making.unlink(missing_ok=True)
    artifacts = (path.parent / "artifacts").as_uri()
    store: Any = SqlAlchemyStore(f"sqlite:///{making}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()
    making.rename(path)


def _reach(uri: str) -> None:
    """MLflow itself would try to reach a database for 100 s before it says why it cannot."""
    try:
        engine = create_engine(uri)
        engine.connect().close()
        engine.dispose()
    except ImportError as error:
        driver = _DRIVERS.get(str(error.name), error.name)
        shown = without_password(uri)
        raise StudyError(f"{URI}={shown}: needs a driver; `pip install {driver}`, or unset {URI}") from error


def attempts_worth(error: Exception) -> float:
    """How often a delivery that failed so is worth trying.

    Returns:
        inf where nobody answers, 5 where the server fails, 1 where it refuses what it was given.
    """
    if any(isinstance(each, OperationalError) for each in _chain(error)):  # of a database without a server
        return math.inf
    cause = _transport(error)
    if cause is not None:
        broken = isinstance(cause, RetryError) and "too many 500" in str(cause)
        return _TRIES if broken else math.inf
    if isinstance(error, MlflowException):
        if error.error_code in _AWAY:
            return math.inf
        return _TRIES if error.error_code == "INTERNAL_ERROR" else 1.0
    return _TRIES if isinstance(error, OSError) else 1.0


def reason_of(error: Exception) -> str:
    """What went wrong, in one line of bearable length, without a password."""
    cause = _transport(error)
    own = next((each.orig for each in _chain(error) if isinstance(each, DBAPIError)), None)
    text = lines(own or error)[0] if cause is None else _innermost(cause)
    return without_password(text)[:_TEXT]


def refused(error: Exception, file: Path) -> StudyError:
    """One line for a store that cannot be opened: the one that the environment names, or a file."""
    uri, reason = os.environ.get(URI), reason_of(error)
    if not uri:
        way_out = "move it away: `search ... --resume` fills a new one from the journal"
        return StudyError(f"{file}: {reason}; {way_out}")
    if attempts_worth(error) < math.inf:
        return StudyError(f"MLflow: {reason}; check {URI}")
    way_out = f"start it, or unset {URI} to track in the study's folder"
    who = "MLflow server" if uri.startswith("http") else "database"
    return StudyError(f"{URI}={without_password(uri)}: no {who} answers there: {reason}; {way_out}")


def pages(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    """Every run that fulfils a condition, however many there are."""
    token = None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _transport(error: BaseException) -> RequestException | None:
    """What went wrong between here and the server, as distinct from what the server answered."""
    gone = (each for each in _chain(error) if isinstance(each, (NoConnection, Timeout, RetryError)))
    return next(gone, None)


def _innermost(error: RequestException) -> str:
    """`Connection refused` out of what three libraries wrap around it."""
    inner: BaseException = error
    while inner.args and isinstance(reason := getattr(inner.args[0], "reason", inner.args[0]), BaseException):
        inner = reason
    for each in _chain(inner):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return "no answer in time" if isinstance(inner, (Timeout, SlowServer)) else lines(inner)[0]
