"""The tutorial's sections taken apart, and its commands run in this process."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.support.commands import registered
from tuner.commands import app as cli

PAGE = (Path(__file__).parents[3] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text of one section."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str, language: str = "") -> list[str]:
    """The code blocks of one section in a language, or in none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section(title), re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def commands(title: str, *names: str) -> list[list[str]]:
    """The arguments of those lines of a section that call one of these commands, as a shell reads them."""
    lines = [shlex.split(line, comments=True) for block in blocks(title) for line in block.splitlines()
             if line.startswith("fsd-tuner ")]  # fmt: skip
    return [words[1:] for words in lines if words[1] in names]


def run_all(title: str, *names: str) -> None:
    """Run those commands; each must succeed."""
    with registered():
        found = commands(title, *names)
        assert {words[0] for words in found} == set(names)
        for words in found:
            assert cli.run(words) == 0, words
