"""Which front end suits the demo corpus: dev and eval EER and the cost of an epoch, side by side.

    python -m tests.bench.front_end build/demo/corpus --epochs 12 --seeds 1 2

Same network, objective, learning rate and seeds for each. The demo study's front end is chosen by dev EER and
cost; the eval column shows what that choice is worth, and is no ground for it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.detector import Detector
from fsd_model.evaluation.final_evaluation import evaluate
from fsd_model.training.config import TrainConfig
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer

KINDS = ("f0_subband", "lfcc", "log_power_spectrum")


def measure(corpus: Path, kind: str, epochs: int, seed: int) -> tuple[float, float, float]:
    """Best dev EER, eval EER of that epoch's detector, median seconds an epoch."""
    settings = {
        "data": {"root": str(corpus)},
        "feature": {"kind": kind},
        "network": {"family": "ecanet", "depth": 18},
        "optim": {"schedule": "constant", "learning_rate": 2e-3},
        "batch_size": 32,
        "epochs": epochs,
        "seed": seed,
    }
    trainer = Trainer(TrainConfig.model_validate(settings))
    seconds = sorted(metrics["time/epoch_s"] for metrics in trainer.epochs())
    with tempfile.TemporaryDirectory() as folder:
        detector: Detector = export_detector(trainer, Path(folder))
        result = evaluate(detector, DataConfig(root=corpus), "eval", Path(folder), jobs=2)
    return detector.card.dev.eer, result.eer, seconds[len(seconds) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    arguments = parser.parse_args()
    print("| front end | seed | epochs | dev EER % (best epoch) | eval EER % | s per epoch |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    for kind in arguments.kinds:
        for seed in arguments.seeds:
            dev, final, cost = measure(arguments.corpus, kind, arguments.epochs, seed)
            row = f"{100 * dev:.1f} | {100 * final:.1f} | {cost:.1f}"
            print(f"| {kind} | {seed} | {arguments.epochs} | {row} |", flush=True)


if __name__ == "__main__":
    main()
