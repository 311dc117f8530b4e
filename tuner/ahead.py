"""Imports that take seconds, made by a thread while Ray starts, which mostly waits."""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib import import_module

# those with Optuna and MLflow among them, and what Ray Tune and its rules import; none of them imports Ray,
# which another thread is about to
_MODULES = ("tuner.sampler", "pandas", "tuner.tracking_client", "scipy.stats")


def load_ahead() -> None:
    """Begin to import what every search on Ray needs; whoever imports it meanwhile waits for the rest."""
    threading.Thread(target=_load, daemon=True, name="imports").start()


def _load() -> None:
    for name in _MODULES:
        with suppress(Exception):  # whoever needs it will say what is wrong with it
            import_module(name)
