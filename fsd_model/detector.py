"""The deployed detector: a folder with a card and weights; loads without unpickling, scores, decides."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fsd_model.atomic import write_text
from fsd_model.audio import SAMPLE_RATE, Waveform, at_16_khz, read_audio
from fsd_model.backbone import NetworkConfig
from fsd_model.dataset import DataConfig
from fsd_model.errors import InputError
from fsd_model.features import FeatureConfig, extract
from fsd_model.left_out import LeftOut
from fsd_model.networks import Network, NetworkFactory, build_network
from fsd_model.packing import as_stored
from fsd_model.settings import Settings
from fsd_model.split import Cuts, DeployedNetwork, SplitNetwork, deploy

CARD_FILE = "detector.json"
WEIGHTS_FILE = "weights.safetensors"

Decision = Literal["bonafide", "spoof"]


class DetectorCard(Settings):
    """What a detector is, and where it comes from.

    Attributes:
        format: version of this file's form.
        feature, network: front end and deployed network.
        threshold: scores above it are called bona fide; the point on dev where both error rates meet.
        polarity: the meaning of a score.
        dev_eer: EER on dev at the chosen epoch, a fraction; optimistic, since that epoch was chosen on dev.
        epoch: the chosen epoch, from 1.
        trained_cuts: where the network was cut in training; the deployed network has no extra exit left.
        parameters: of the deployed network.
        data: the corpus it was trained on.
        data_digest: SHA-256 over names, labels and audio of train and dev.
        left_out: files of train and dev that `data.skip_bad` left out.
        fingerprint: SHA-256 of the training configuration.
        seed: of the training run.
    """

    format: Literal[2] = 2
    feature: FeatureConfig
    network: Network
    threshold: float
    polarity: Literal["higher = more bona fide"] = "higher = more bona fide"
    dev_eer: float = Field(ge=0, le=1)
    epoch: int = Field(ge=1)
    trained_cuts: Annotated[Cuts, Field(strict=False)]
    parameters: int = Field(ge=1)
    data: DataConfig
    data_digest: str
    left_out: Annotated[tuple[LeftOut, ...], Field(strict=False)] = ()
    fingerprint: str
    seed: int


class Detector:
    """A front end, a network and a threshold.

    Args:
        card: what the detector is.
        network: the deployed network, on the CPU.
        folder: where it was loaded from, or None.
    """

    def __init__(self, card: DetectorCard, network: DeployedNetwork, folder: Path | None = None) -> None:
        self.card = card
        self.folder = folder
        self.network = network.eval()

    @classmethod
    def load(cls, folder: Path | str, allow_code: bool = False) -> Self:
        """Load a detector folder.

        Args:
            folder: as `save` wrote it.
            allow_code: a detector with a network of one's own names code to import; run it.

        Raises:
            InputError: a missing or damaged file, or code that was not allowed or cannot be imported.
        """
        folder = Path(folder)
        card = _read_card(folder / CARD_FILE)
        if isinstance(card.network, NetworkFactory) and not allow_code:
            raise InputError(
                f"{folder}: this detector runs the code `{card.network.factory}`; if you trust it, allow it"
                " (--allow-code, in Python allow_code=True)"
            )
        network = empty_network(card.network, card.feature)
        try:
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, SafetensorError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise InputError(
                f"{folder / WEIGHTS_FILE}: not this detector's weights ({first}); export it again"
            ) from error
        return cls(card, network, folder)

    def save(self, folder: Path) -> None:
        """Write the folder: `detector.json` and `weights.safetensors`.

        Raises:
            InputError: full disk or no permission.
        """
        state = {
            name: value.clone(memory_format=torch.contiguous_format)
            for name, value in self.network.state_dict().items()
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / WEIGHTS_FILE)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{folder}: cannot write the detector ({error}); free some space") from error
        write_text(folder / CARD_FILE, self.card.model_dump_json(indent=2) + "\n")

    def digest(self) -> str:
        """SHA-256 over card and weights: what makes two detectors the same."""
        total = hashlib.sha256(self.card.model_dump_json().encode())
        for name, value in sorted(self.network.state_dict().items()):
            total.update(name.encode() + value.numpy().tobytes())
        return total.hexdigest()

    def features(self, waveform_S: Waveform) -> NDArray[np.float32]:
        """Front end of a 16 kHz waveform (S,) -> (F, T), rounded as the training features were."""
        return as_stored(self.card.feature, extract(self.card.feature, waveform_S))

    def score_features(self, features_BFT: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (B,) of front-end output (B, F, T); higher = more bona fide."""
        with torch.inference_mode():
            scores_B: NDArray[np.float32] = self.network(torch.from_numpy(features_BFT)).numpy()
        return scores_B

    def score(self, waveform_S: Waveform, sample_rate: int = SAMPLE_RATE) -> float:
        """Score one utterance; higher = more bona fide.

        Args:
            waveform_S: float32 mono in [-1, 1], S >= 1 samples; the front end looks at the first 5 s at most.
            sample_rate: Hz; resampled to 16 kHz where it differs.

        Raises:
            InputError: an empty or non-finite waveform.
        """
        features_FT = self.features(at_16_khz(waveform_S, sample_rate))
        return float(self.score_features(features_FT[None])[0])

    def score_file(self, path: Path) -> float:
        """Read and score one audio file.

        Raises:
            InputError: missing, empty, truncated or undecodable audio.
        """
        return self.score(read_audio(path))

    def decide(self, score: float) -> Decision:
        """ "bonafide" for a score above the threshold, else "spoof"."""
        return "bonafide" if score > self.card.threshold else "spoof"


def empty_network(network: NetworkConfig | NetworkFactory, feature: FeatureConfig) -> DeployedNetwork:
    """The deployed network with initial weights; raises as `build_network`."""
    return deploy(SplitNetwork(build_network(network, feature), ()))


def _read_card(path: Path) -> DetectorCard:
    if not path.is_file():
        raise InputError(f"{path}: not a detector folder; give the folder that a search or training exported")
    try:
        return DetectorCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where}: {first['msg']}; export the detector again") from error
