"""The toy, but for its seeds: as `fsd_model`, it leaves a configuration's own one out."""

from __future__ import annotations

from typing import Any

from tests.tuner.support.toy import run  # noqa: F401 - the trial function


def reseeded(params: dict[str, Any], count: int) -> dict[int, dict[str, Any]]:
    fresh = [seed for seed in range(1, count + 2) if seed != params.get("seed")]
    return {seed: {"seed": seed} for seed in fresh[:count]}
