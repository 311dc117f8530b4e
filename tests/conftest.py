"""The demo corpora for tests: the tiny ones made anew, the full ones kept while their maker is the same."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import fsd_model
from fsd_model.corpus.logical_access import make_corpus
from fsd_model.corpus.replay.physical_access import make_replay_corpus

BUILD = Path(__file__).parents[1] / "build"
_SOURCES = ("corpus/*.py", "corpus/attacks/*.py", "corpus/recordings/*/*.tsv", "corpus/recordings/*/*.ogg")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy")  # mlflow's own


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds `LA/` with about 125 files."""
    root = tmp_path_factory.mktemp("corpus") / "tiny"
    make_corpus(root, "tiny")
    return root


@pytest.fixture(scope="session")
def demo_corpus() -> Path:
    """Folder that holds `LA/` with the 2,450 files of the default corpus."""
    return _kept(BUILD / "test-corpus", _maker_digest(*_SOURCES), make_corpus)


@pytest.fixture(scope="session")
def tiny_replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds `PA/` with about 140 files."""
    root = tmp_path_factory.mktemp("replay") / "tiny"
    make_replay_corpus(root, "tiny")
    return root


@pytest.fixture(scope="session")
def demo_replay() -> Path:
    """Folder that holds `PA/` with the 2,900 files of the default replay corpus."""
    return _kept(BUILD / "test-replay", _maker_digest(*_SOURCES, "corpus/replay/*.py"), make_replay_corpus)


def _kept(cache: Path, name: str, make: Callable[[Path], object]) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / name
    with FileLock(cache / "lock"):
        for outdated in cache.iterdir():
            if outdated.is_dir() and outdated != root:
                shutil.rmtree(outdated)
        make(root)
    return root


def _maker_digest(*patterns: str) -> str:
    """Changes with every line of the code that makes a corpus, and with every recording."""
    package = Path(fsd_model.__file__).parent
    total = hashlib.sha256()
    for pattern in patterns:
        for file in sorted(package.glob(pattern)):
            total.update(file.read_bytes())
    return total.hexdigest()[:16]
