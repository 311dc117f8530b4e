"""Attack ids: the method of each, and the ids of each split."""

from __future__ import annotations

from fsd_model.corpus.attacks import text_to_speech
from fsd_model.corpus.attacks.attack import Attack
from fsd_model.corpus.attacks.cepstral_vocoders import harmonics_and_noise, smoothed_pulses
from fsd_model.corpus.attacks.griffin_lim import linear_tempo, mel_inversion
from fsd_model.corpus.attacks.linear_prediction import pulse_vocoder, residual_conversion
from fsd_model.corpus.attacks.spectral_mapping import differential_filter
from fsd_model.corpus.attacks.text_to_speech import converted_speech, speech_in_place
from fsd_model.corpus.attacks.time_stretch_conversion import phase_vocoder_conversion, similarity_conversion
from fsd_model.corpus.attacks.unit_selection import concatenate_units

KNOWN: dict[str, Attack] = {
    "A01": smoothed_pulses,
    "A02": mel_inversion,
    "A03": pulse_vocoder,
    "A04": concatenate_units,
    "A05": phase_vocoder_conversion,
    "A06": residual_conversion,
}
"""Attacks of the train and dev splits."""

UNKNOWN: dict[str, Attack] = {
    "A07": speech_in_place,
    "A09": harmonics_and_noise,
    "A11": linear_tempo,
    "A13": similarity_conversion,
    "A15": converted_speech,
    "A16": concatenate_units,
    "A17": differential_filter,
    "A19": residual_conversion,
}
"""Attacks of the eval split; A16 and A19 are the methods of A04 and A06 on new speakers."""

SPOKEN = frozenset({"A07", "A15"})
"""Attacks that need the speech synthesiser."""

ATTACKS: dict[str, Attack] = KNOWN | UNKNOWN


def usable(attacks: dict[str, Attack]) -> tuple[str, ...]:
    """Return the ids in order, without those whose synthesiser is not installed."""
    return tuple(a for a in attacks if a not in SPOKEN or text_to_speech.is_available())
