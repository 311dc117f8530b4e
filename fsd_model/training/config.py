"""The whole configuration of a training run, composed of the settings that stand beside their code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from fsd_model.augmentation.config import AugmentConfig
from fsd_model.data.training_splits import DataConfig
from fsd_model.distillation.total_loss import DistillConfig, compares_utterances
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.networks.build import Network, count_blocks, usual_cuts
from fsd_model.networks.multi_exit import Cuts, check_cuts
from fsd_model.settings import Settings
from fsd_model.training.objective import ObjectiveConfig
from fsd_model.training.optim import OptimConfig
from fsd_model.training.runtime import RuntimeConfig

# Where and how the data is read; what was read is in the digest of the data.
_WHERE = {"root", "format", "subset", "skip_bad"}


class TrainConfig(Settings):
    """One training run. The defaults are the most defensible reading of arXiv 2303.01211.

    Attributes:
        network: a built-in network, or `package.module:factory` for a custom one, with or without options.
        cuts: increasing cut points; None for the published ones behind every stage (in a custom
            network up to three at even cost), [] for the plain network.
        batch_size: utterances per update.
        epochs: passes over the training set.
        seed: fixes initial weights and the order of the utterances.
    """

    data: DataConfig
    feature: FeatureConfig = FeatureConfig()
    network: Network = NetworkConfig()
    cuts: Annotated[Cuts | None, Field(strict=False)] = None
    distill: DistillConfig = DistillConfig()
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig = AugmentConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(32, ge=1)
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _cuts_fit_the_network(self) -> Self:
        if isinstance(self.network, NetworkConfig) and self.cuts is not None:  # others must be built first
            check_cuts(self.cuts, self.blocks)
        return self

    @model_validator(mode="after")
    def _front_end_fits_the_network(self) -> Self:
        if isinstance(self.network, NetworkConfig) and self.feature.kind == "waveform":
            raise InputError(
                f"feature.kind: {self.network.family} needs a spectrogram, got waveform;"
                " take f0_subband, or a custom network (network: package.module:factory)"
            )
        return self

    @model_validator(mode="after")
    def _micro_batches_fit_the_losses(self) -> Self:
        micro_batch, setting = self.runtime.micro_batch, compares_utterances(self.distill)
        if micro_batch is not None and micro_batch < self.batch_size and setting is not None:
            raise InputError(
                f"runtime.micro_batch: {setting} needs the whole batch of {self.batch_size} at once,"
                f" got {micro_batch}; leave it out, or take a smaller batch_size"
            )
        return self

    @property
    def blocks(self) -> int:
        """Number of blocks of the network: one more than its legal cuts.

        Raises:
            InputError: a custom network that cannot be built or traced.
        """
        return count_blocks(self.network, self.feature)

    @property
    def resolved_cuts(self) -> Cuts:
        """Return the cuts, with None resolved to the usual ones; raises as `blocks`."""
        return usual_cuts(self.network, self.feature) if self.cuts is None else self.cuts

    def override(self, changes: Mapping[str, Any]) -> TrainConfig:
        """Return a copy with dotted keys replaced, e.g. `{"distill.temperature": 4.0}`.

        Raises:
            pydantic.ValidationError: unknown key, wrong type or range.
        """
        tree = self.model_dump()
        for path, value in changes.items():
            node = tree
            *parents, last = path.split(".")
            for part in parents:
                node = node.setdefault(part, {})
            node[last] = value
        return TrainConfig.model_validate(tree)

    def fingerprint(self) -> str:
        """Return the SHA-256 of everything that decides the result: without runtime and places of data and
        noise.
        """
        tree = self.model_dump(
            mode="json", exclude={"runtime": True, "data": _WHERE, "augment": {"noise": {"root"}}}
        )
        tree["cuts"] = list(self.resolved_cuts)
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
