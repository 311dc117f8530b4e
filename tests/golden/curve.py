"""The golden curve: three epochs of the default objective on synthetic features.

`python -m tests.golden.curve` is the one writer of `curve.json`; run it only in a change that is meant to
alter results, and say so there.
"""

from __future__ import annotations

import json
from pathlib import Path

from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, training_data

FILE = Path(__file__).with_name("curve.json")
KEYS = ("train/loss", "train/hard", "train/soft", "train/feature", "dev/loss")


def curve() -> list[dict[str, float]]:
    trainer = Trainer(config(), training_data())
    return [{key: metrics[key] for key in KEYS} for metrics in trainer.epochs()]


if __name__ == "__main__":
    FILE.write_text(json.dumps(curve(), indent=2) + "\n")
