"""Which objective ranks configurations as the evaluation set does: dev, or attacks held out of the training.

    python -m tests.bench.objective build/demo/corpus --out build/objective.jsonl --jobs 2

Each random configuration is trained on all attacks (dev EER of its best epoch, eval EER of that epoch's
detector), once a fold without a third of the attacks, and once a fold without each single attack. The figure
is Spearman's rank correlation of each objective with eval EER, with a bootstrap interval over configurations.
The eval set is opened to judge objectives, never to choose a configuration. Goes on with what OUT lacks.
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

from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.detector import empty_network
from fsd_model.evaluation.eval_split import read_eval
from fsd_model.features.store import open_features
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import open_training_data
from fsd_model.training.trainer import Trainer
from fsd_model.trial.leave_attack_out import MEAN, WORST, Folds, run_folds

Row = dict[str, float]

THIRDS = {"first": ["A01", "A04"], "second": ["A02", "A05"], "third": ["A03", "A06"]}
SINGLES = {attack: [attack] for attack in ("A01", "A02", "A03", "A04", "A05", "A06")}
TASKS = ("all", "thirds", "singles")
DEV = "dev_eer"
UNSEEN = ("thirds_mean", "thirds_worst", "singles_mean", "singles_worst")


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
        "runtime": {"store": str(store), "device": "cpu"},
        "batch_size": int(rng.choice([16, 32, 64])),
        "epochs": epochs,
        "seed": 1,
    }
    return TrainConfig.model_validate(settings)


def measure(number: int, task: str, corpus: Path, store: Path, epochs: int) -> tuple[int, str, Row]:
    """One task of one configuration: trained on all attacks, or fold by fold."""
    config = draw(number, corpus, store, epochs)
    if task == "all":
        return number, task, _on_all_attacks(config, store)
    groups = THIRDS if task == "thirds" else SINGLES
    held_out = config.override({"objective": {"name": "unseen-attacks", "groups": groups}})
    *_, unseen = run_folds(held_out, open_training_data(held_out), Folds())
    return number, task, {f"{task}_mean": unseen[MEAN], f"{task}_worst": unseen[WORST]}


def _on_all_attacks(config: TrainConfig, store: Path) -> Row:
    trainer = Trainer(config)
    *_, last = trainer.epochs()
    eval_eer = _eval_eer(trainer, config, store)
    return {DEV: last["dev/eer_best"], "dev_cllr": last["dev/cllr_best"], "eval_eer": eval_eer}


def _eval_eer(trainer: Trainer, config: TrainConfig, store: Path) -> float:
    utterances = read_eval(DataConfig(root=config.data.root))
    array = open_features(store, utterances, config.feature).array
    network = empty_network(config.network, config.feature)
    network.load_state_dict(trainer.best_weights)
    with torch.inference_mode():
        batches = [torch.from_numpy(array[i : i + 64].copy()).float() for i in range(0, len(array), 64)]
        scores_N = torch.cat([network.eval()(batch) for batch in batches]).numpy()
    labels_N = np.array([u.label for u in utterances])
    return equal_error_rate(scores_N[labels_N == 1], scores_N[labels_N == 0]).rate


def correlation(rows: Sequence[Row], name: str) -> float:
    """Spearman's rank correlation of an objective with eval EER over configurations."""
    return float(stats.spearmanr([row[name] for row in rows], [row["eval_eer"] for row in rows]).statistic)


def report(rows: Sequence[Row], resamples: int = 5000) -> str:
    """The table of correlations with 95 % bootstrap intervals over configurations, as Markdown."""
    rng = np.random.default_rng(1)
    drawn = [[rows[i] for i in rng.integers(len(rows), size=len(rows))] for _ in range(resamples)]
    lines = ["| objective | rank correlation with eval EER | 95 % | less that of dev EER | 95 % |"]
    lines.append("|---|---|---|---|---|")
    dev_R = np.array([correlation(each, DEV) for each in drawn])
    for name in (DEV, "dev_cllr", *(name for name in UNSEEN if name in rows[0])):
        own_R = np.array([correlation(each, name) for each in drawn])
        own, less = correlation(rows, name), correlation(rows, name) - correlation(rows, DEV)
        cells = (f"{own:+.2f}", _span(own_R), f"{less:+.2f}", _span(own_R - dev_R))
        lines.append(f"| {name} | {' | '.join(cells if name != DEV else (*cells[:2], '', ''))} |")
    return "\n".join(lines)


def _span(values_R: np.ndarray[Any, Any]) -> str:
    low, high = np.nanquantile(values_R, [0.025, 0.975])
    return f"{low:+.2f} to {high:+.2f}"


def complete(lines: Sequence[str]) -> list[Row]:
    """The configurations of which every task that any has is done."""
    rows: dict[int, Row] = {}
    for line in lines:
        number, _, found = json.loads(line)
        rows.setdefault(number, {}).update(found)
    keys = set().union(*rows.values()) if rows else set()
    return [row for row in rows.values() if set(row) == keys]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/objective.jsonl"))
    parser.add_argument("--store", type=Path, default=Path("build/objective-features"))
    parser.add_argument("--configurations", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.touch()
    done = {tuple(json.loads(line)[:2]) for line in arguments.out.read_text().splitlines()}
    tasks = [(n, task) for task in TASKS for n in range(arguments.configurations) if (n, task) not in done]
    store = arguments.store.absolute()
    work = partial(measure, corpus=arguments.corpus, store=store, epochs=arguments.epochs)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=spawn) as pool, arguments.out.open("a") as file:
        for count, result in enumerate(as_completed([pool.submit(work, *each) for each in tasks]), start=1):
            file.write(json.dumps(result.result()) + "\n")
            file.flush()
            print(f"{count}/{len(tasks)}", file=sys.stderr, flush=True)
    rows = complete(arguments.out.read_text().splitlines())
    print(f"{len(rows)} configurations, {arguments.epochs} epochs\n\n{report(rows)}")


if __name__ == "__main__":
    main()
