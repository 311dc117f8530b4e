"""The spoofing methods: each does what its name says, and their tools agree with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import find_peaks, lfilter

from fsd_model.corpus import signals as spectra
from fsd_model.corpus.attacks import linear_prediction, text_to_speech
from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.cepstral_vocoders import harmonics_and_noise, smoothed_pulses
from fsd_model.corpus.attacks.griffin_lim import linear_tempo, phase_from_magnitude
from fsd_model.corpus.attacks.pitch import pulses_and_noise, track_pitch
from fsd_model.corpus.attacks.registry import ATTACKS, SPOKEN, usable
from fsd_model.corpus.attacks.spectral_mapping import differential_filter
from fsd_model.corpus.attacks.time_stretch_conversion import (
    overlap_similar,
    phase_vocoder_conversion,
    similarity_conversion,
)
from fsd_model.corpus.attacks.unit_selection import Inventory, concatenate_units
from fsd_model.corpus.voices import VOICES, utterances

Wave = NDArray[np.float64]
RATE = 16_000
NOTHING = Material((), (), np.zeros(0))


def vowel(pitch_hz: float, formant_hz: float = 1100.0, seconds: float = 1.5) -> Wave:
    """Pulses at a fixed pitch through one resonance."""
    pulses = np.diff(np.floor(np.arange(int(seconds * RATE) + 1) * pitch_hz / RATE))
    radius = np.exp(-np.pi * 150 / RATE)
    wave = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * formant_hz / RATE), radius**2], pulses)
    return np.asarray(0.05 * wave / spectra.rms(wave))


def pitch_of(wave: Wave) -> float:
    """Median pitch of the middle, in Hz."""
    pitch = track_pitch(wave[len(wave) // 4 : -len(wave) // 4])
    return float(np.median(pitch[pitch > 0]))


def formant_of(wave: Wave) -> float:
    """Strongest frequency of the smooth spectrum, in Hz."""
    power = (np.abs(spectra.stft(wave, 1024, 256)[4:-4]) ** 2).mean(0)
    smooth = spectra.envelope_from_cepstrum(spectra.real_cepstrum(power[None] ** 0.5, 40), 4096)[0]
    return float(np.argmax(smooth[52:]) + 52) * RATE / 4096  # above 200 Hz


def speech_material() -> tuple[Wave, Material]:
    """A real sentence, and what an attacker may have besides."""
    own, other = (utterances(voice, 12) for voice in (VOICES[0], VOICES[1]))
    request = text_to_speech.random_request(len(own[0]) / RATE, np.random.default_rng(3))
    spoken = text_to_speech.say_all([request])[0] / 32768 if "A07" in usable(ATTACKS) else np.zeros(0)
    return own[0], Material(own[1:], other[:4], spoken)


def log_spectral_distance_db(one: Wave, two: Wave) -> float:
    """Root mean square difference of the two log spectrograms."""
    samples = min(len(one), len(two))
    logs = [20 * np.log10(np.abs(spectra.stft(wave[:samples], 512, 128)) + 1e-3) for wave in (one, two)]
    return float(np.sqrt(np.mean((logs[0] - logs[1]) ** 2)))


@pytest.mark.parametrize("attack", usable(ATTACKS))
def test_an_attack_changes_the_speech_but_not_its_length_and_level(attack: str) -> None:
    wave, material = speech_material()
    before = wave.copy()
    fake = ATTACKS[attack](wave, np.random.default_rng(5), material)
    assert np.array_equal(wave, before), "the recording is shared and must not be written to"
    assert np.isfinite(fake).all()
    shortest = 0.7 if attack in SPOKEN else 0.88  # a sentence of its own ends where it ends
    assert shortest <= len(fake) / len(wave) <= 1.13
    assert 0.4 < spectra.rms(fake) / spectra.rms(wave) < 2
    assert log_spectral_distance_db(wave, fake) > 2.0
    assert np.array_equal(fake, ATTACKS[attack](wave, np.random.default_rng(5), material))


@pytest.mark.parametrize("pitch_hz", [75.0, 110.0, 163.0, 233.0, 390.0])
def test_pitch_of_a_harmonic_tone(pitch_hz: float) -> None:
    time = np.arange(RATE) / RATE
    tone = sum(np.cos(2 * np.pi * k * pitch_hz * time + k) / k for k in range(1, 12))
    pitch = track_pitch(np.asarray(tone))[8:-8]
    assert np.mean(np.abs(pitch / pitch_hz - 1) < 0.02) > 0.98


def test_pitch_follows_a_glide() -> None:
    time = np.arange(2 * RATE) / RATE
    truth = 100 * 2 ** (time / 2)  # an octave in two seconds
    angle = 2 * np.pi * np.cumsum(truth) / RATE
    pitch = track_pitch(np.asarray(sum(np.cos(k * angle) / k for k in range(1, 9))))
    assert np.max(np.abs(pitch[10:-10] / truth[np.arange(10, len(pitch) - 10) * 80] - 1)) < 0.02


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE)
    assert np.mean(track_pitch(noise) > 0) < 0.1
    assert not track_pitch(np.zeros(RATE)).any()


def test_excitation_has_unit_power_and_one_pulse_a_period() -> None:
    wave = pulses_and_noise(np.full(400, 125.0), 32_000, np.random.default_rng(0), breath=0.0)
    assert np.mean(wave**2) == pytest.approx(1, rel=0.02)
    assert np.all(np.diff(np.flatnonzero(wave)) == 128)


def test_short_time_transform_inverts() -> None:
    wave = np.random.default_rng(1).standard_normal(5000)
    for length, hop in ((1024, 256), (512, 128), (512, 80)):
        again = spectra.istft(spectra.stft(wave, length, hop), length, hop, 5000)
        assert np.allclose(again, wave, atol=1e-10)


def test_levinson_solves_the_normal_equations() -> None:
    wave = lfilter([1], [1, -0.9, 0.5], np.random.default_rng(2).standard_normal(4000))
    correlation = np.correlate(wave, wave, "full")[len(wave) - 1 :][:9]
    polynomial, error = linear_prediction.levinson(correlation[None], 8)
    expected = solve_toeplitz(correlation[:8], -correlation[1:])
    assert np.allclose(polynomial[0, 1:], expected)
    assert error[0] == pytest.approx(correlation[0] + correlation[1:] @ expected)


def test_phase_search_finds_the_magnitude() -> None:
    wanted = np.abs(spectra.stft(vowel(120), 1024, 256))
    found = np.abs(
        spectra.stft(phase_from_magnitude(wanted, 60, 24_000, np.random.default_rng(0)), 1024, 256)
    )
    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 0.1


@pytest.mark.parametrize("stretch", [0.82, 1.2])
def test_overlap_of_similar_grains_keeps_the_pitch(stretch: float) -> None:
    wave = vowel(130)
    longer = overlap_similar(wave, stretch)
    assert len(longer) == int(len(wave) * stretch)
    assert pitch_of(longer) == pytest.approx(130, rel=0.02)


def moves(before: float, after: float, down: tuple[float, float], up: tuple[float, float]) -> str:
    """Which of two ranges of factors a change falls into."""
    factor = after / before
    for name, (low, high) in (("down", down), ("up", up)):
        if low <= factor <= high:
            return name
    pytest.fail(f"factor {factor:.3f} is neither in {down} nor in {up}")


def test_similarity_conversion_moves_pitch_and_formant_together() -> None:
    wave, ranges = vowel(110), ((0.81, 0.94), (1.07, 1.23))
    seen = set()
    for seed in range(8):
        fake = similarity_conversion(wave, np.random.default_rng(seed), NOTHING)
        assert pitch_of(fake) / 110 == pytest.approx(formant_of(fake) / formant_of(wave), rel=0.05)
        seen.add(moves(110, pitch_of(fake), *ranges))
    assert seen == {"down", "up"}


def test_phase_vocoder_conversion_moves_the_pitch_and_keeps_the_formant() -> None:
    wave, seen = vowel(110), set()
    for seed in range(8):
        fake = phase_vocoder_conversion(wave, np.random.default_rng(seed), NOTHING)
        seen.add(moves(110, pitch_of(fake), (0.74, 0.91), (1.11, 1.36)))
        assert formant_of(fake) == pytest.approx(formant_of(wave), rel=0.1)
    assert seen == {"down", "up"}


def test_residual_conversion_keeps_the_pitch_and_moves_the_formant() -> None:
    wave, seen = vowel(110), set()
    for seed in range(8):
        fake = linear_prediction.residual_conversion(wave, np.random.default_rng(seed), NOTHING)
        assert pitch_of(fake) == pytest.approx(110, rel=0.02)
        seen.add(moves(formant_of(wave), formant_of(fake), (0.8, 0.96), (1.04, 1.24)))
    assert seen == {"down", "up"}


@pytest.mark.parametrize(
    "attack", [smoothed_pulses, harmonics_and_noise, linear_prediction.pulse_vocoder, linear_tempo]
)
def test_a_vocoder_keeps_pitch_and_formant(attack: object) -> None:
    wave = vowel(110)
    fake = attack(wave, np.random.default_rng(0), NOTHING)  # type: ignore[operator]
    assert pitch_of(fake) == pytest.approx(110, rel=0.03)
    assert formant_of(fake) == pytest.approx(formant_of(wave), rel=0.1)


def test_harmonic_model_puts_energy_on_the_harmonics() -> None:
    fake = harmonics_and_noise(vowel(200), np.random.default_rng(0), NOTHING)[4000:20_000]
    power = np.abs(np.fft.rfft(fake * np.hanning(16_000))) ** 2
    peaks, _ = find_peaks(power[:2100], height=power[:2100].max() / 1000, distance=100)
    assert len(peaks) >= 6
    assert np.all(np.abs(peaks / 200 - np.round(peaks / 200)) < 0.03)


def test_selection_finds_the_very_unit_where_the_inventory_has_it() -> None:
    inventory = Inventory.of(utterances(VOICES[0], 12)[:6])
    for start in (40, 200, 377):
        wanted = inventory.features_UC[[start, start + 5, start + 10]]
        assert inventory.best_start(wanted, 10, None) == start


def test_units_come_from_the_other_recordings() -> None:
    """With an inventory of noise alone, nothing of the sentence is left."""
    noise = 0.05 * np.random.default_rng(0).standard_normal(5 * RATE)
    fake = concatenate_units(vowel(110), np.random.default_rng(1), Material((noise,), (), np.zeros(0)))
    assert np.mean(track_pitch(fake) > 0) < 0.1


def test_differential_filter_comes_nearer_to_the_other_speaker() -> None:
    wave, material = speech_material()
    target = np.concatenate(material.other_voice)

    def mean_shape(speech: Wave) -> Wave:
        loud = spectra.frame_level_db(speech, 512, 128)
        cepstrum = spectra.real_cepstrum(np.abs(spectra.stft(speech, 512, 128)), 20)
        return np.asarray(cepstrum[loud > np.percentile(loud, 40)].mean(0)[1:])

    fake = differential_filter(wave, np.random.default_rng(0), material)
    before, after = (np.linalg.norm(mean_shape(w) - mean_shape(target)) for w in (wave, fake))
    assert after < 0.7 * before
    assert pitch_of(fake) == pytest.approx(pitch_of(wave), rel=0.05)


def test_the_synthesiser_says_the_same_whatever_it_said_before() -> None:
    if not text_to_speech.is_available():
        assert not SPOKEN & set(usable(ATTACKS))
        return
    requests = [text_to_speech.random_request(2.0, np.random.default_rng(seed)) for seed in range(6)]
    forth, back = text_to_speech.say_all(requests), text_to_speech.say_all(requests[::-1])[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forth, back, strict=True))
    assert all(len(a) > RATE for a in forth)
