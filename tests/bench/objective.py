"""Which objective ranks configurations as the evaluation set does: dev, or attacks held out of the training.

    python -m tests.bench.objective build/demo/corpus --out build/objective.jsonl --jobs 2

Each random configuration is trained on all attacks (dev EER of its best epoch, eval EER of that epoch's
detector) and once a fold without a third of the attacks (mean and worst EER on them). The figure is
Spearman's rank correlation of each objective with eval EER, with a bootstrap interval over configurations.
The eval set is opened to judge objectives, never to choose a configuration. Goes on with the configurations
that OUT lacks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from fsd_model.config import TrainConfig
from fsd_model.dataset import DataConfig
from fsd_model.detector import empty_network
from fsd_model.evaluation_data import read_eval
from fsd_model.feature_store import open_features
from fsd_model.metrics import equal_error_rate
from fsd_model.trainer import Trainer
from fsd_model.training_data import open_training_data
from fsd_model.unseen import MEAN, WORST, Folds, run_folds

GROUPS = {"first": ["A01", "A04"], "second": ["A02", "A05"], "third": ["A03", "A06"]}
OBJECTIVES = ("dev_eer", "dev_cllr", "unseen_mean", "unseen_worst")


def draw(number: int, corpus: Path, store: Path, epochs: int) -> TrainConfig:
    """Random configuration `number`: where to cut, what to weigh, how fast to learn, which network."""
    rng = np.random.default_rng([2303, number])
    depth = int(rng.choice([9, 18]))
    cuts = sorted(rng.choice(np.arange(1, {9: 4, 18: 8}[depth]), int(rng.integers(1, 4)), replace=False))
    settings: dict[str, Any] = {
        "data": {"root": str(corpus)},
        "network": {"family": str(rng.choice(["senet", "ecanet"])), "depth": depth},
        "cuts": [int(cut) for cut in cuts],
        "distill": {
            "soft_weight": float(10 ** rng.uniform(-2, 0.5)),
            "feature_weight": float(10 ** rng.uniform(-2, 0.5)),
            "temperature": float(10 ** rng.uniform(0, 1)),
            "hard_on": str(rng.choice(["deepest", "all"])),
        },
        "optim": {
            "schedule": "constant",
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "weight_decay": float(10 ** rng.uniform(-5, -2)),
        },
        "objective": {"name": "unseen-attacks", "groups": GROUPS},
        "runtime": {"store": str(store), "device": "cpu"},
        "batch_size": int(rng.choice([16, 32, 64])),
        "epochs": epochs,
        "seed": 1,
    }
    return TrainConfig.model_validate(settings)


def measure(number: int, corpus: Path, store: Path, epochs: int) -> dict[str, float]:
    """All objectives of one configuration, and its eval EER."""
    config = draw(number, corpus, store, epochs)
    data = open_training_data(config)
    folds = Folds()
    *_, unseen = run_folds(config, data, folds)
    trainer = Trainer(config, data)
    *_, last = trainer.epochs()
    return {
        "number": number,
        "dev_eer": last["dev/eer_best"],
        "dev_cllr": last["dev/cllr_best"],
        "unseen_mean": unseen[MEAN],
        "unseen_worst": unseen[WORST],
        "eval_eer": _eval_eer(trainer, config, store),
    }


def _eval_eer(trainer: Trainer, config: TrainConfig, store: Path) -> float:
    utterances = read_eval(DataConfig(root=config.data.root))
    array = open_features(store, utterances, config.feature).array
    network = empty_network(config.network, config.feature)
    network.load_state_dict(trainer.best_weights)
    with torch.inference_mode():
        parts = [
            network.eval()(torch.from_numpy(array[i : i + 64]).float()) for i in range(0, len(array), 64)
        ]
    scores_N = torch.cat(parts).numpy()
    labels_N = np.array([u.label for u in utterances])
    return equal_error_rate(scores_N[labels_N == 1], scores_N[labels_N == 0]).rate


def correlation(rows: Sequence[dict[str, float]], name: str) -> float:
    """Spearman's rank correlation of an objective with eval EER over configurations."""
    return float(stats.spearmanr([row[name] for row in rows], [row["eval_eer"] for row in rows]).statistic)


def intervals(rows: Sequence[dict[str, float]], resamples: int = 5000) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals over configurations, of each correlation and of the difference to dev."""
    rng = np.random.default_rng(1)
    drawn = [[rows[i] for i in rng.integers(len(rows), size=len(rows))] for _ in range(resamples)]
    values = {name: np.array([correlation(each, name) for each in drawn]) for name in OBJECTIVES}
    values["unseen_mean - dev_eer"] = values["unseen_mean"] - values["dev_eer"]
    return {name: tuple(np.nanquantile(each, [0.025, 0.975])) for name, each in values.items()}  # type: ignore[misc]


def report(rows: Sequence[dict[str, float]]) -> str:
    """The table of correlations, as Markdown."""
    lines = ["| objective | rank correlation with eval EER | 95 % interval |", "|---|---|---|"]
    spans = intervals(rows)
    for name in OBJECTIVES:
        low, high = spans[name]
        lines.append(f"| {name} | {correlation(rows, name):+.2f} | {low:+.2f} to {high:+.2f} |")
    low, high = spans["unseen_mean - dev_eer"]
    difference = correlation(rows, "unseen_mean") - correlation(rows, "dev_eer")
    lines.append(f"| unseen_mean less dev_eer | {difference:+.2f} | {low:+.2f} to {high:+.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/objective.jsonl"))
    parser.add_argument("--store", type=Path, default=Path("build/objective-features"))
    parser.add_argument("--configurations", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    rows = (
        [json.loads(line) for line in arguments.out.read_text().splitlines()]
        if arguments.out.is_file()
        else []
    )
    missing = [n for n in range(arguments.configurations) if n not in {row["number"] for row in rows}]
    work = partial(
        measure, corpus=arguments.corpus, store=arguments.store.absolute(), epochs=arguments.epochs
    )
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=spawn) as pool, arguments.out.open("a") as file:
        for done in as_completed([pool.submit(work, number) for number in missing]):
            rows.append(done.result())
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
            print(f"{len(rows)}/{arguments.configurations}", file=sys.stderr, flush=True)
    print(f"{len(rows)} configurations, {arguments.epochs} epochs\n\n{report(rows)}")


if __name__ == "__main__":
    main()
