"""The README and the pages in docs: links lead somewhere, commands and their options exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from fsd_model.training.config import TrainConfig
from tests.docs.support.reference_commands import all_commands, options

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_EVERYWHERE = {"--debug", "--help"}
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def commands_in(text: str) -> Iterator[str]:
    """What follows `fsd-tuner` in code: in a span, or on a line of a block up to a comment."""
    blocks = [*_FENCE.findall(text), *re.findall(r"^    .+$", text, re.MULTILINE)]
    for block in blocks:
        yield from re.findall(r"^[\s./\w=]*\bfsd-tuner ([^#\n]+)", block, re.MULTILINE)
    yield from re.findall(r"`[^`\n]*?\bfsd-tuner ([^`\n]+)`", _FENCE.sub("", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    known = all_commands()
    for written in commands_in(page.read_text(encoding="utf-8")):
        words = written.split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0].rstrip(",.;:")
        assert name in known, f"{page.name}: fsd-tuner {written}"
        given = set(re.findall(r"--[a-z][\w-]*", written)) - _EVERYWHERE
        assert given <= options(known[name]), f"{page.name}: fsd-tuner {written}"


def test_every_page_can_be_found():
    linked = {
        (page.parent / target.split("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    assert {page.name for page in PAGES[1:] if page.resolve() not in linked} == set()


def test_the_method_names_functions_and_settings_that_exist():
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    settings = TrainConfig.model_validate({"data": {"root": "."}}).model_dump()
    named = re.findall(r"`([a-z_.]+)\.(\w+)(?:: \w+)?`", page)
    assert len(named) > 20
    for module, name in named:
        if name not in settings.get(module, {}):
            assert hasattr(import_module(f"fsd_model.{module}"), name), f"{module}.{name}"
