"""A private PostgreSQL server on loopback, where PostgreSQL is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.tuner.support.ports import free_ports

_DEBIAN = Path("/usr/lib/postgresql")  # where the programs are not in PATH


def missing() -> str:
    """Why there can be none, or ""."""
    if _programs() is None:
        return "no PostgreSQL server is installed"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    return "" if find_spec("psycopg2") else "needs psycopg2-binary"


class Postgresql:
    """One cluster in a folder.

    Args:
        folder: empty, of the user that runs it.
    """

    def __init__(self, folder: Path) -> None:
        self._data, self._port = folder / "data", free_ports(1)[0]
        self._log = folder / "log"
        self._run("initdb", "-A", "trust", "-U", "mlflow", "--no-sync", "-E", "UTF8")

    def uri(self, database: str) -> str:
        """Of a database, for SQLAlchemy; a password is part of it, as in real life."""
        return f"postgresql+psycopg2://mlflow:secret@127.0.0.1:{self._port}/{database}"

    def create(self, database: str) -> str:
        """An empty database; its URI."""
        from sqlalchemy import create_engine, text

        engine = create_engine(self.uri("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{database}"'))
        engine.dispose()
        return self.uri(database)

    def start(self) -> None:
        """Returns once it takes connections."""
        settings = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F"
        self._run("pg_ctl", "start", "-w", "-l", str(self._log), "-o", settings)

    def stop(self) -> None:
        """As by a crash, with all its connections."""
        self._run("pg_ctl", "stop", "-m", "immediate")

    def _run(self, program: str, *arguments: str) -> None:
        programs = _programs()
        assert programs is not None
        command = [str(programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(
            command, capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=120, cwd="/", check=False, **_as_user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@contextmanager
def postgresql() -> Iterator[Postgresql]:
    """One that runs until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="fsd-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _user())
        server = Postgresql(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(_DEBIAN.glob("*/bin"), reverse=True)), None)


def _user() -> str | None:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    name = _user()
    assert name is not None
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
