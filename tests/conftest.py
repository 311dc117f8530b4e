"""The demo corpora for tests, made once per machine and kept while their maker stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

import fsd_model
from fsd_model.corpus import logical_access
from fsd_model.corpus.logical_access import make_corpus
from fsd_model.corpus.plan import plan
from fsd_model.corpus.replay.physical_access import make_replay_corpus
from tests.support.commands import registered
from tests.support.kept import digest_of, kept_folder

BUILD = Path(__file__).parents[1] / "build"
PACKAGE = Path(fsd_model.__file__).parent
MAKERS = ("corpus/*.py", "corpus/attacks/*.py", "corpus/recordings/*/*.tsv", "corpus/recordings/*/*.ogg")
REPLAY_MAKERS = (*MAKERS, "corpus/replay/*.py")
PART = 6  # one file of so many


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy")  # mlflow's own


@pytest.fixture
def detector_commands() -> Iterator[None]:
    """`fsd-tuner` with the detector's commands, as where the package is installed."""
    with registered():
        yield


@pytest.fixture(scope="session")
def tiny_corpus() -> Path:
    """Folder that holds `LA/` with about 125 files. Do not write into it."""
    return kept_folder(BUILD / "test-tiny", digest_of(PACKAGE, *MAKERS), partial(make_corpus, variant="tiny"))


@pytest.fixture(scope="session")
def demo_corpus() -> Path:
    """Folder that holds `LA/` with the 2,450 files of the default corpus; two minutes where it is new."""
    return kept_folder(BUILD / "test-corpus", digest_of(PACKAGE, *MAKERS), make_corpus)


@pytest.fixture(scope="session")
def demo_part() -> Path:
    """Folder that holds every sixth file of the default corpus, the very same samples."""

    def make(root: Path) -> None:
        with mock.patch.object(logical_access, "plan", lambda variant: plan(variant)[::PART]):
            make_corpus(root)

    return kept_folder(BUILD / "test-corpus-part", f"{digest_of(PACKAGE, *MAKERS)}-{PART}", make)


@pytest.fixture(scope="session")
def tiny_replay() -> Path:
    """Folder that holds `PA/` with about 140 files. Do not write into it."""
    make = partial(make_replay_corpus, variant="tiny")
    return kept_folder(BUILD / "test-tiny-replay", digest_of(PACKAGE, *REPLAY_MAKERS), make)


@pytest.fixture(scope="session")
def demo_replay() -> Path:
    """Folder that holds `PA/` with the 2,900 files of the default replay corpus."""
    return kept_folder(BUILD / "test-replay", digest_of(PACKAGE, *REPLAY_MAKERS), make_replay_corpus)
