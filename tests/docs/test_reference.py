"""The reference page is what the code says today."""

from __future__ import annotations

from pathlib import Path

from tests.docs.support.reference import RENEW, page

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == page(), f"docs/reference.md is out of date; renew it: {RENEW}"
