"""Settings of augmentation. Every part is off by default (`probability` 0); a search may turn on any.

A pair (low, high) is a range from which a value is drawn uniformly per utterance.

Source: the defaults of each part are named in its class; docs/augmentation.md lists them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from fsd_model.settings import Settings

Number = TypeVar("Number", int, float)


def _ordered(span: tuple[Number, Number]) -> tuple[Number, Number]:
    if not span[0] <= span[1]:
        raise ValueError(f"a range must be [low, high] with low <= high, got {list(span)}; swap the two")
    return span


Share = Annotated[float, Field(ge=0, le=1)]
Hertz = Annotated[float, Field(ge=1, le=8000)]
Decibel = Annotated[float, Field(ge=-100, le=100)]
Taps = Annotated[int, Field(ge=3, le=1000)]
Level = Annotated[float, Field(ge=0, le=0.99)]
Colour = Annotated[float, Field(ge=-2, le=4)]
HertzRange = Annotated[tuple[Hertz, Hertz], Field(strict=False), AfterValidator(_ordered)]
DecibelRange = Annotated[tuple[Decibel, Decibel], Field(strict=False), AfterValidator(_ordered)]
TapsRange = Annotated[tuple[Taps, Taps], Field(strict=False), AfterValidator(_ordered)]
LevelRange = Annotated[tuple[Level, Level], Field(strict=False), AfterValidator(_ordered)]
ColourRange = Annotated[tuple[Colour, Colour], Field(strict=False), AfterValidator(_ordered)]

Codec = Literal["narrow_band", "mu_law", "a_law", "gsm", "vorbis", "opus", "mp3"]
CODECS: tuple[Codec, ...] = ("narrow_band", "mu_law", "a_law", "gsm", "vorbis", "opus", "mp3")


class RawBoostConfig(Settings):
    """RawBoost (Tak et al. 2022); the defaults are those of its authors' SSL_Anti-spoofing.

    Attributes:
        probability: share of the utterances that pass through it.
        algorithm: 1 linear and non-linear convolutive noise, 2 impulsive signal-dependent noise, 3 stationary
            signal-independent noise; in series 4 = 1, 2, 3; 5 = 1, 2 (LA); 6 = 1, 3; 7 = 2, 3; 8 is the sum
            of 1 and 2 side by side.
        bands: notches of one filter.
        centre_hz, width_hz, taps: of each notch; an even number of taps is raised by one.
        gain_db: largest gain of a filter.
        bias_db: how far the gain of the powers of the signal lies below `gain_db` (low end to low end, high
            end to high end).
        order: highest power of the signal in 1.
        impulse_share: at most this share of the samples is changed in 2; each utterance draws from 0 to it.
        impulse_gain: largest change in 2, in proportion to the sample.
        snr_db: of the noise in 3.
    """

    probability: Share = 0.0
    algorithm: Literal[1, 2, 3, 4, 5, 6, 7, 8] = 5
    bands: int = Field(5, ge=1, le=20)
    centre_hz: HertzRange = (20.0, 8000.0)
    width_hz: HertzRange = (100.0, 1000.0)
    taps: TapsRange = (10, 100)
    gain_db: DecibelRange = (0.0, 0.0)
    bias_db: DecibelRange = (5.0, 20.0)
    order: int = Field(5, ge=1, le=10)
    impulse_share: Share = 0.1
    impulse_gain: float = Field(2.0, ge=0, le=100)
    snr_db: DecibelRange = (10.0, 40.0)


class NoiseConfig(Settings):
    """Additive noise; 0 to 20 dB as in DKDSSD.

    Attributes:
        probability: share of the utterances that get it.
        source: "coloured" makes noise of a random colour, "files" takes pieces of the recordings in `root`.
        root: folder of FLAC, WAV or OGG files (subfolders too), e.g. MUSAN; its place is not part of a run's
            identity, its content is.
        snr_db: energy of the utterance over that of the noise.
        colour: exponent a of a power spectrum 1/f^a: 0 white, 1 pink, 2 brown.
    """

    probability: Share = 0.0
    source: Literal["coloured", "files"] = "coloured"
    root: Annotated[Path | None, Field(strict=False)] = None
    snr_db: DecibelRange = (0.0, 20.0)
    colour: ColourRange = (0.0, 2.0)

    @model_validator(mode="after")
    def _files_have_a_folder(self) -> Self:
        if self.probability > 0 and self.source == "files" and self.root is None:
            raise ValueError("source `files` needs a folder of noise, got no root; name one in `root`")
        return self


class CodecConfig(Settings):
    """Encoding and decoding with a codec of telephony or the web.

    Attributes:
        probability: share of the utterances that pass through one.
        names: one of these is drawn, each as often as the others; `narrow_band` resamples to 8 kHz and back.
        compression: of vorbis, opus and mp3 on libsndfile's scale: 0 best quality, towards 1 smallest.
    """

    probability: Share = 0.0
    names: Annotated[tuple[Codec, ...], Field(strict=False, min_length=1)] = CODECS
    compression: LevelRange = (0.3, 0.95)


class SpecConfig(Settings):
    """SpecAugment masks (Park et al. 2019) over frames and feature rows; frequency masks alone with fill
    "zero" are those of RawGAT-ST and AASIST.

    Attributes:
        probability: share of the utterances that get masks.
        time_masks, frequency_masks: number of each; they may overlap.
        time_width, frequency_width: frames and rows of a mask are drawn from 0 to this; at least one stays.
        fill: what stands in a mask: the mean of the utterance's features, 0, or their minimum.
    """

    probability: Share = 0.0
    time_masks: int = Field(1, ge=0, le=20)
    time_width: int = Field(60, ge=0)
    frequency_masks: int = Field(1, ge=0, le=20)
    frequency_width: int = Field(9, ge=0)
    fill: Literal["mean", "zero", "minimum"] = "mean"


class AugmentConfig(Settings):
    """Augmentation of training utterances, in this order: noise, rawboost, codec, front end, spec.

    Attributes:
        two_view: batches carry the clean features beside the augmented ones.
    """

    noise: NoiseConfig = NoiseConfig()
    rawboost: RawBoostConfig = RawBoostConfig()
    codec: CodecConfig = CodecConfig()
    spec: SpecConfig = SpecConfig()
    two_view: bool = False

    @property
    def changes_waveforms(self) -> bool:
        """Return whether any part that works on the waveform is on."""
        return any(part.probability > 0 for part in (self.noise, self.rawboost, self.codec))

    @property
    def is_off(self) -> bool:
        """Return whether batches are the stored features only."""
        return not (self.changes_waveforms or self.spec.probability > 0 or self.two_view)
