"""The deployed detector: a folder with a card and weights; loads without unpickling, scores, decides."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from fsd_model.atomic_write import write_text
from fsd_model.data.audio import SAMPLE_RATE, Waveform, at_16_khz, read_audio
from fsd_model.detector.card import DetectorCard, _checked
from fsd_model.detector.exit_networks import EarlyNetwork, EnsembleNetwork, planned
from fsd_model.detector.exit_plan import ExitPlan
from fsd_model.detector.files import (
    CARD_FILE,
    WEIGHTS_FILE,
    read_card,
    read_weights,
    write_card,
    write_weights,
)
from fsd_model.detector.model_card import MODEL_CARD_FILE, model_card
from fsd_model.detector.operating_point import Decision, Verdict
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, extract
from fsd_model.features.storage_format import as_stored
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.networks.build import NetworkFactory, build_network
from fsd_model.networks.multi_exit import DeployedNetwork

Deployed = DeployedNetwork | EnsembleNetwork | EarlyNetwork

_DEEPEST = ExitPlan()


class Detector:
    """A front end, a network, a calibration and an operating point.

    Args:
        card: what the detector is.
        network: the deployed network, on the CPU.
        folder: the folder it was loaded from, or None.
    """

    def __init__(self, card: DetectorCard, network: Deployed, folder: Path | None = None) -> None:
        self.card = card
        self.folder = folder
        self.network = network.eval()

    @classmethod
    def load(cls, folder: Path | str, allow_code: bool = False) -> Self:
        """Load a detector folder; nothing is unpickled.

        Args:
            folder: as `save` wrote it.
            allow_code: whether to import and run the code that a detector with a custom network names.

        Raises:
            InputError: a missing, damaged, changed or foreign file, another format, or code that is not
                allowed or cannot be imported.
        """
        folder = Path(folder)
        content, weights_sha256 = read_card(folder)
        card = _checked(content, folder / CARD_FILE)
        if isinstance(card.network, NetworkFactory) and not allow_code:
            raise InputError(
                f"{folder}: this detector runs the code `{card.network.factory}`; if you trust it, allow it"
                " (--allow-code, in Python allow_code=True)"
            )
        state = read_weights(folder, weights_sha256)
        network = empty_network(card.network, card.feature, card.exits)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise InputError(
                f"{folder / WEIGHTS_FILE}: not weights of this network ({first}); export it again"
            ) from error
        return cls(card, network, folder)

    def save(self, folder: Path) -> None:
        """Write the folder: `weights.safetensors`, `detector.json` and the model card `README.md`.

        Raises:
            InputError: full disk or no permission.
        """
        state = {
            name: value.clone(memory_format=torch.contiguous_format)
            for name, value in self.network.state_dict().items()
        }
        weights_sha256 = write_weights(folder, state)
        write_card(folder, self.card.model_dump(mode="json"), weights_sha256)
        write_text(folder / MODEL_CARD_FILE, model_card(self.card, weights_sha256))

    def digest(self) -> str:
        """SHA-256 over card and weights: equal for equal detectors."""
        total = hashlib.sha256(self.card.model_dump_json().encode())
        for name, value in sorted(self.network.state_dict().items()):
            total.update(name.encode() + value.numpy().tobytes())
        return total.hexdigest()

    def features(self, waveform_S: Waveform) -> NDArray[np.float32]:
        """Compute the features (F, T) of a 16 kHz waveform (S,), rounded as the training features."""
        return as_stored(self.card.feature, extract(self.card.feature, waveform_S))

    def score_features(self, features_BFT: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores (B,) of front-end output (B, F, T); higher = more bona fide."""
        with torch.inference_mode():
            scores_B: NDArray[np.float32] = self.network(torch.from_numpy(features_BFT)).numpy()
        return scores_B

    def score(self, waveform_S: Waveform, sample_rate: int = SAMPLE_RATE) -> float:
        """Score one utterance; higher = more bona fide.

        Args:
            waveform_S: float32 mono in [-1, 1], S >= 1 samples; the front end uses the first 5 s at most.
            sample_rate: Hz; resampled to 16 kHz if it differs.

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

    def llr(self, score: float) -> float:
        """Return the natural log-likelihood ratio of a score: above 0 supports bona fide speech, whatever the
        prior.

        Raises:
            InputError: a score that is NaN or infinite.
        """
        return self.card.calibration.llr(score)

    def verdict(
        self,
        score: float,
        prior_spoof: float | None = None,
        cost_miss: float | None = None,
        cost_false_alarm: float | None = None,
    ) -> Verdict:
        """Return what a score means: log-likelihood ratio, probability of spoofed speech, decision.

        Args:
            score: result of `score`, `score_file` or `score_features`.
            prior_spoof: prior probability of spoofed speech, in (0, 1); None for the card's.
            cost_miss: cost of rejecting bona fide speech, > 0.
            cost_false_alarm: cost of accepting spoofed speech, > 0.

        Raises:
            InputError: a score that is NaN or infinite, a prior or cost out of range.
        """
        point = self.card.operating_point.changed(prior_spoof, cost_miss, cost_false_alarm)
        return point.verdict(score, self.llr(score))

    def decide(
        self,
        score: float,
        prior_spoof: float | None = None,
        cost_miss: float | None = None,
        cost_false_alarm: float | None = None,
    ) -> Decision:
        """Return "bonafide" or "spoof", whichever costs less at the operating point; see `verdict`."""
        return self.verdict(score, prior_spoof, cost_miss, cost_false_alarm).decision

    @property
    def threshold(self) -> float:
        """Score from which on the card's operating point decides for bona fide; may be infinite."""
        return self.card.calibration.score(self.card.operating_point.threshold)


def empty_network(
    network: NetworkConfig | NetworkFactory, feature: FeatureConfig, exits: ExitPlan = _DEEPEST
) -> Deployed:
    """Build the deployed network with initial weights; raises as `build_network` and `planned`."""
    return planned(build_network(network, feature), exits)
