"""Interface of an attack, and the material it may use besides the utterance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsd_model.corpus.signals import Floats


@dataclass(frozen=True)
class Material:
    """Recordings an attack may draw on, all from the same split.

    Attributes:
        same_voice: other utterances of the speaker (never the attacked one).
        other_voice: utterances of another speaker, the target of a voice conversion.
        spoken: what a synthesiser said for this utterance; empty for attacks on a recording.
    """

    same_voice: tuple[Floats, ...]
    other_voice: tuple[Floats, ...]
    spoken: Floats


Attack = Callable[[Floats, np.random.Generator, Material], Floats]
"""(utterance at 16 kHz, random numbers, material) -> fake utterance at 16 kHz, about as long."""
