"""Artifacts of a trial in MLflow: resolved configuration, dev scores, and plots of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from fsd_model.atomic_write import write_text
from fsd_model.data.training_splits import DataConfig
from fsd_model.scores.plots import draw_det, draw_histogram
from fsd_model.scores.score_file import read_scores, write_scores
from fsd_model.training.epoch_metrics import dev_scores

if TYPE_CHECKING:
    from fsd_model.training.trainer import Trainer

CONFIG_FILE, SCORES_FILE, DET_FILE, HISTOGRAM_FILE = "config.yaml", "dev.scores.txt", "det.png", "scores.png"


def write_artifacts(trainer: Trainer, folder: Path) -> None:
    """Write the configuration with every default, and the dev scores of the best epoch so far.

    Raises:
        InputError: they cannot be written.
    """
    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(trainer.config.model_dump(mode="json"), text)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / CONFIG_FILE, text.getvalue())
    if trainer.best is not None:
        write_scores(folder / SCORES_FILE, dev_scores(trainer.data.dev, trainer.best.scores))


def draw_plots(folder: Path) -> None:
    """Draw the DET curve and the histogram of the dev scores that `write_artifacts` wrote, beside them.

    Raises:
        InputError: a damaged score file.
        OSError: a plot cannot be written.
    """
    if not (folder / SCORES_FILE).is_file():
        return
    scores = read_scores(folder / SCORES_FILE)
    draw_det(scores, folder / DET_FILE)
    draw_histogram(scores, folder / HISTOGRAM_FILE)


def dataset_name(data: DataConfig) -> str:
    """Return the name of a corpus for MLflow: its folder, track and subset."""
    return f"{data.root.name} {data.track}"
