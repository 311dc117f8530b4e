"""The demo corpus for tests: the tiny one made anew, the full one kept while its maker is the same."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

import fsd_model
from fsd_model.corpus import make_corpus

CACHE = Path(__file__).parents[1] / "build" / "test-corpus"


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds `LA/` with about 125 files."""
    root = tmp_path_factory.mktemp("corpus") / "tiny"
    make_corpus(root, "tiny")
    return root


@pytest.fixture(scope="session")
def demo_corpus() -> Path:
    """Folder that holds `LA/` with the 2,450 files of the default corpus."""
    CACHE.mkdir(parents=True, exist_ok=True)
    root = CACHE / _maker_digest()
    with FileLock(CACHE / "lock"):
        for outdated in CACHE.iterdir():
            if outdated.is_dir() and outdated != root:
                shutil.rmtree(outdated)
        make_corpus(root)
    return root


def _maker_digest() -> str:
    """Changes with every line of the code that makes the corpus, and with every recording."""
    package = Path(fsd_model.__file__).parent
    total = hashlib.sha256()
    for pattern in ("corpus*.py", "attacks/*.py", "recordings/*/*.tsv", "recordings/*/*.ogg"):
        for file in sorted(package.glob(pattern)):
            total.update(file.read_bytes())
    return total.hexdigest()[:16]
