"""A storage that every node shares passes; otherwise the node that does not see it is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuner.support.s3 import Server
from tuner.storage.storage import Storage

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, s3: Server) -> dict[str, str | None]:
    """What is said of each storage by two nodes; in a process of its own, beside the other tests' cluster."""
    folder = tmp_path_factory.mktemp("nodes")
    shared = s3.bucket("nodes", "some/part")
    buckets = {"bucket": shared, "no bucket": s3.uri("no-such/x")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.tuner.support.visits", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"MORE_STORAGES": json.dumps(buckets)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((folder / "a").iterdir()) == []  # nothing is left behind
    assert [path for path in (folder / "shared").rglob("*") if path.is_file()] == []
    assert Storage(shared).names("") == []
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_shared_folder_passes_and_is_made_where_it_is_missing(said: dict[str, str | None]) -> None:
    assert said["shared"] is None
    assert said["new"] is None


def test_a_bucket_passes_and_one_that_is_not_there_is_refused(said: dict[str, str | None]) -> None:
    assert said["bucket"] is None
    assert "cannot be written from this machine: " in str(said["no bucket"])
    assert "NO_SUCH_BUCKET" in str(said["no bucket"])


def test_a_folder_of_the_same_name_on_another_machine_is_not_shared(said: dict[str, str | None]) -> None:
    assert str(said["not shared"]).startswith(
        "storage /proc/self/cwd: node 127.0.0.1 does not see what the search's driver writes"
    )
    assert str(said["not shared"]).count("\n") == 0


def test_what_this_machine_cannot_write_is_refused_before_the_nodes_are_asked(
    said: dict[str, str | None],
) -> None:
    assert "cannot be written from this machine: " in str(said["unwritable"])
    assert "Not a directory" in str(said["unwritable"])
    assert "carrier-pigeon" in str(said["no such kind"])
    assert all("\n" not in text for text in said.values() if text)
