"""How a batch is computed in parts, one after the other and on several processes, as one update.

Every part's loss counts by its share of the batch, so the gradients of losses that are means over utterances
add up to that of the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fsd_model.distill import DistillConfig
from fsd_model.errors import InputError
from fsd_model.parallel import Processes, Rows


def parts(rows_B: Rows, micro_batch: int | None, processes: Processes) -> Iterator[tuple[Rows, float]]:
    """What this process computes of a batch, part by part.

    Micro-batches differ by one utterance at most, so that none is left with a few.

    Args:
        rows_B: of the batch.
        micro_batch: utterances that are computed at once, over all processes; None is all of them.
        processes: who shares each micro-batch.

    Yields:
        Rows, and their share of the batch: 0 with a borrowed row where none is this process's.
    """
    count = 1 if micro_batch is None else math.ceil(len(rows_B) / micro_batch)
    for micro_M in np.array_split(rows_B, count):
        own_M = processes.share(micro_M)
        yield (own_M if len(own_M) else micro_M[:1]), len(own_M) / len(rows_B)


def compares_utterances(config: DistillConfig) -> str | None:
    """The setting that compares the utterances of a batch with each other, if there is one."""
    if config.soft == "margin_kl":
        return "distill.soft: margin_kl"
    if config.feature == "similarity_preserving":
        return "distill.feature: similarity_preserving"
    return None


def needs_whole_batch(config: DistillConfig) -> str | None:
    """The setting that micro-batches cannot serve, if there is one."""
    if config.scale_balance:
        return "distill.scale_balance: true"
    return compares_utterances(config)


def require_means(config: DistillConfig, processes: Processes) -> None:
    """Refuse a loss that several processes cannot compute from their shares.

    Raises:
        InputError: such a loss, with more than one process.
    """
    setting = compares_utterances(config)
    if processes.size > 1 and setting is not None:
        raise InputError(
            f"{setting} compares the utterances of a batch with each other, got {processes.size} processes"
            " that each see a share of it; take another loss, or one process"
        )
