"""What the fixtures keep between runs of the tests depends on the files that it is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MAKERS, PACKAGE, REPLAY_MAKERS
from tests.support.kept import digest_of, kept_folder


@pytest.mark.parametrize("pattern", sorted({*MAKERS, *REPLAY_MAKERS}))
def test_each_pattern_of_the_kept_corpora_matches(pattern: str) -> None:
    assert digest_of(PACKAGE, pattern)


def test_the_digest_sees_every_change_and_no_missing_pattern(tmp_path: Path) -> None:
    (tmp_path / "maker.py").write_text("1")
    before = digest_of(tmp_path, "*.py")
    (tmp_path / "maker.py").write_text("2")
    assert digest_of(tmp_path, "*.py") != before
    (tmp_path / "maker.py").rename(tmp_path / "moved.txt")
    with pytest.raises(FileNotFoundError, match=r"\*\.py: matches no file"):
        digest_of(tmp_path, "*.txt", "*.py")


def test_a_folder_is_made_once_and_replaced_when_its_name_changes(tmp_path: Path) -> None:
    made: list[str] = []

    def make(root: Path) -> None:
        if not root.exists():
            root.mkdir()
            made.append(root.name)

    for name in ("a", "a", "b"):
        root = kept_folder(tmp_path, name, make)
    assert made == ["a", "b"]
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == [root]
