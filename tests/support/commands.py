"""The commands of the detector beside those of the search, as an installed package adds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import fsd_model.cli
from tuner.commands.app import app


@contextmanager
def registered() -> Iterator[None]:
    """Add the detector's commands to `fsd-tuner`, and remove them again."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("registered_commands", "registered_groups"):
            patch.setattr(app, kind, [*getattr(app, kind), *getattr(fsd_model.cli.app, kind)])
        yield
