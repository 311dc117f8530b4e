"""The card of a detector: everything about it except its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from fsd_model.data.bad_files import LeftOut
from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.calibration import Calibration
from fsd_model.detector.dev_results import DevMetrics
from fsd_model.detector.exit_plan import ExitPlan
from fsd_model.detector.operating_point import OperatingPoint
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.build import Network
from fsd_model.networks.multi_exit import Cuts
from fsd_model.settings import Settings


class DetectorCard(Settings):
    """Description and origin of a detector.

    Attributes:
        format: version of the file format.
        polarity: meaning of a score.
        feature, network: front end and deployed network.
        calibration: maps scores to log-likelihood ratios.
        operating_point: prior, costs and threshold of a decision, unless others are given.
        dev: results on dev.
        epoch: the selected epoch, from 1.
        trained_cuts: cuts of the network in training.
        exits: exits of the deployed network, and their use.
        parameters: number of parameters of the deployed network.
        data: the training corpus.
        data_digest: SHA-256 over names, labels and audio of train and dev.
        licence: licence of the training data, as the corpus states it.
        left_out: files of train and dev that `data.skip_bad` left out.
        fingerprint: SHA-256 of the training configuration.
        seed: seed of the training.
        versions: versions of the software, by package.
    """

    format: Literal[3] = 3
    polarity: Literal["higher = more bona fide"] = "higher = more bona fide"
    feature: FeatureConfig
    network: Network
    calibration: Calibration
    operating_point: OperatingPoint
    dev: DevMetrics
    epoch: int = Field(ge=1)
    trained_cuts: Annotated[Cuts, Field(strict=False)]
    exits: ExitPlan = ExitPlan()
    parameters: int = Field(ge=1)
    data: DataConfig
    data_digest: str
    licence: str
    left_out: Annotated[tuple[LeftOut, ...], Field(strict=False)] = ()
    fingerprint: str
    seed: int
    versions: dict[str, str]


def _checked(content: dict[str, Any], path: Path) -> DetectorCard:
    try:
        return DetectorCard.model_validate_json(json.dumps(content))  # JSON: its lists are tuples here
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where}: {first['msg']}; export the detector again") from error
