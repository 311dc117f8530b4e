"""The MLflow client, quiet and without telemetry, and what its errors mean."""

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
    "MlflowException", "StoreError", "make_store", "max_attempts", "open_client", "pages", "reason_of",
    "refused",
]  # fmt: skip

StoreError = (MlflowException, SQLAlchemyError)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a repeated "create run" makes a second run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "PGCONNECT_TIMEOUT": "20",
}
_DATABASES = ("postgresql", "mysql", "mssql")
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_MAX_CHARS = 300  # of a reason
_UNAVAILABLE = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_SERVER_ERROR_ATTEMPTS = 5.0


def open_client(uri: str) -> Any:
    """Return a client of a store.

    Raises:
        StudyError: the driver of a database is missing.
        SQLAlchemyError: a database does not answer.
    """
    _quiet()
    if uri.partition(":")[0].partition("+")[0] in _DATABASES:
        _check_database(uri)
    return MlflowClient(tracking_uri=uri)


def _quiet() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised, and printed as one line


def make_store(path: Path) -> None:
    """Create an empty store at a path, unless there is one.

    MLflow creates a store in dozens of steps and can open no store that was interrupted in between, so the
    store gets its name only when it is complete.
    """
    if path.exists():
        return
    _quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = path.with_name(f".{path.name}.making")
    unfinished.unlink(missing_ok=True)
    artifacts = (path.parent / "artifacts").as_uri()
    store: Any = SqlAlchemyStore(f"sqlite:///{unfinished}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.rename(path)


def _check_database(uri: str) -> None:
    """Connect once: MLflow itself would retry for 100 s before it says what is wrong."""
    try:
        engine = create_engine(uri)
        engine.connect().close()
        engine.dispose()
    except ImportError as error:
        driver = _DRIVERS.get(str(error.name), error.name)
        address = without_password(uri)
        raise StudyError(
            f"{URI}={address}: needs a driver; `pip install {driver}`, or unset {URI}"
        ) from error


def max_attempts(error: Exception) -> float:
    """Return how often to try a delivery that fails with this error.

    Returns:
        inf if the server is unreachable, 5 for a server error, 1 if it refuses the data.
    """
    if any(isinstance(each, OperationalError) for each in _chain(error)):  # a database is unreachable
        return math.inf
    cause = _transport(error)
    if cause is not None:
        broken = isinstance(cause, RetryError) and "too many 500" in str(cause)
        return _SERVER_ERROR_ATTEMPTS if broken else math.inf
    if isinstance(error, MlflowException):
        if error.error_code in _UNAVAILABLE:
            return math.inf
        return _SERVER_ERROR_ATTEMPTS if error.error_code == "INTERNAL_ERROR" else 1.0
    return _SERVER_ERROR_ATTEMPTS if isinstance(error, OSError) else 1.0


def reason_of(error: Exception) -> str:
    """Return the cause of an error in one short line without passwords."""
    cause = _transport(error)
    database = next((each.orig for each in _chain(error) if isinstance(each, DBAPIError)), None)
    text = lines(database or error)[0] if cause is None else _innermost(cause)
    return without_password(text)[:_MAX_CHARS]


def refused(error: Exception, file: Path) -> StudyError:
    """Return the error for a store that cannot be opened: the one that the environment names, or a file."""
    uri, reason = os.environ.get(URI), reason_of(error)
    if not uri:
        way_out = "move it away: `search ... --resume` fills a new one from the journal"
        return StudyError(f"{file}: {reason}; {way_out}")
    if max_attempts(error) < math.inf:
        return StudyError(f"MLflow: {reason}; check {URI}")
    way_out = f"start it, or unset {URI} to track in the study's folder"
    server = "MLflow server" if uri.startswith("http") else "database"
    return StudyError(f"{URI}={without_password(uri)}: no {server} answers there: {reason}; {way_out}")


def pages(client: Any, experiment: str, filter_string: str) -> Iterator[Any]:
    """Yield every run that matches a filter, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment], filter_string, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _transport(error: BaseException) -> RequestException | None:
    """Return the failure of the connection, or None if the server has answered."""
    failures = (each for each in _chain(error) if isinstance(each, (NoConnection, Timeout, RetryError)))
    return next(failures, None)


def _innermost(error: RequestException) -> str:
    """Return the innermost reason, such as `Connection refused`, out of the errors of three libraries."""
    inner: BaseException = error
    while inner.args and isinstance(reason := getattr(inner.args[0], "reason", inner.args[0]), BaseException):
        inner = reason
    for each in _chain(inner):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return "no answer in time" if isinstance(inner, (Timeout, SlowServer)) else lines(inner)[0]
