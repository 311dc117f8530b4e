"""What an MLflow error means, told by real ones: a closed port, a silent one, servers that answer badly."""

from __future__ import annotations

import math
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from tests.tuner.support.ports import free_ports
from tests.tuner.support.studies import toy_study
from tuner.errors import StudyError
from tuner.tracking.address import without_password
from tuner.tracking.client import max_attempts, open_client, reason_of, refused
from tuner.tracking.tracking import Tracking

USER = "me:s3cret%40%2F"


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """The address of a server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


def error_of(address: str) -> MlflowException:
    client = open_client(f"http://{USER}@{address}")
    with pytest.raises(MlflowException) as caught:
        client.create_run("0")
    return caught.value


def test_nobody_there_is_waited_for(closed: str) -> None:
    error = error_of(closed)
    assert max_attempts(error) == math.inf
    assert reason_of(error) == "Connection refused"


def test_no_answer_in_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = error_of(f"127.0.0.1:{silent.getsockname()[1]}")
    assert max_attempts(error) == math.inf
    assert reason_of(error) == "no answer in time"


@pytest.mark.parametrize(
    ("status", "code", "worth"),
    [
        (503, "TEMPORARILY_UNAVAILABLE", math.inf),
        (502, None, math.inf),
        (504, None, math.inf),
        (429, "REQUEST_LIMIT_EXCEEDED", math.inf),
        (500, "INTERNAL_ERROR", 5),
        (400, "INVALID_PARAMETER_VALUE", 1),
        (404, "RESOURCE_DOES_NOT_EXIST", 1),
        (403, None, 1),
    ],
)
def test_what_a_server_answers_is_waited_out_insisted_on_or_taken(
    status: int, code: str | None, worth: float
) -> None:
    body = f'{{"error_code": "{code}", "message": "so it is"}}' if code else "<html>so it is</html>"
    with answering(status, body) as address:
        error = error_of(address)
    assert max_attempts(error) == worth
    reason = reason_of(error)
    assert f"too many {status}" in reason if worth > 1 else "so it is" in reason


def test_an_error_of_another_kind_is_taken_and_one_of_the_disk_insisted_on() -> None:
    assert max_attempts(LookupError("its run could not be made")) == 1
    assert max_attempts(OSError(28, "No space left on device")) == 5


@pytest.mark.parametrize("address", ["closed", "answering"])
def test_a_password_is_never_shown(
    closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    if address == "closed":
        error = error_of(closed)
    else:
        with answering(400, f'{{"error_code": "BAD_REQUEST", "message": "http://{USER}@h/x"}}') as place:
            error = error_of(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{USER}@{closed}/below")
    for text in (reason_of(error), str(refused(error, tmp_path))):
        assert "me:" not in text
        assert "cret" not in text
    assert without_password("see http://me:p@ss@h/x, then http://y@z") == "see http://h/x, then http://z"


@pytest.mark.parametrize(
    ("scheme", "who"),
    [("http", "MLflow server"), ("postgresql+psycopg2", "database")],
    ids=["server", "database"],
)
def test_a_place_that_is_down_at_the_start_is_refused_in_one_line(
    closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, who: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://{USER}@{closed}/db")
    with pytest.raises(StudyError) as caught:
        Tracking(toy_study(), tmp_path)
    text = str(caught.value)
    assert text.startswith(f"MLFLOW_TRACKING_URI={scheme}://{closed}/db: no {who} answers there: ")
    assert "Connection refused" in text
    assert text.endswith("; start it, or unset MLFLOW_TRACKING_URI to track in the study's folder")
    assert "\n" not in text
    assert "delivery" not in str(threading.enumerate())


def test_a_database_without_its_driver_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg2://{USER}@h/db")
    with pytest.raises(
        StudyError, match=r"=postgresql\+psycopg2://h/db: needs .* `pip install psycopg2-binary`"
    ):
        Tracking(toy_study(), tmp_path)


def test_a_file_that_is_no_store_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database, " * 1000)
    with pytest.raises(StudyError, match=r"/mlflow\.db: file is not a database; move it away: .* --resume"):
        Tracking(toy_study(), tmp_path)
