"""Text-to-speech attacks: Pico voices say other sentences, made to sound like a given recording."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from fsd_model.corpus.attacks.attack import Material
from fsd_model.corpus.attacks.sentences import SENTENCES
from fsd_model.corpus.attacks.spectral_mapping import differential_filter
from fsd_model.corpus.signals import SAMPLE_RATE_HZ, TINY, Floats, frame_level_db, istft, rms, stft
from fsd_model.errors import InputError

_VOICES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT")
_LETTERS_PER_S = 14.0
_LENGTH, _HOP = 512, 128
_SAY_ALL = """
import base64, json, sys
from py_nanotts import NanoTTS
voice = NanoTTS()
said = [base64.b64encode(voice.speak(volume=1.0, **request)).decode() for request in json.load(sys.stdin)]
json.dump(said, sys.stdout)
"""
# Pico reads heap memory that it never set. glibc fills every block with this byte if asked to, and without
# its per-thread cache no block comes back unfilled: then the same text gives the same samples, always.
_FILL_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.perturb=85:glibc.malloc.tcache_count=0"}


@dataclass(frozen=True)
class SpeechRequest:
    """One thing to say; speed and pitch are factors on the voice's own."""

    text: str
    voice: str
    speed: float
    pitch: float


def is_available() -> bool:
    """Return whether the speech synthesiser is installed (its wheel exists for Linux only)."""
    return sys.platform == "linux" and find_spec("py_nanotts") is not None


def random_request(seconds: float, rng: np.random.Generator) -> SpeechRequest:
    """Draw a text in the language of a random voice, long enough to fill the given time."""
    voice = str(rng.choice(_VOICES))
    speed = float(rng.uniform(0.9, 1.15))
    sentences = SENTENCES[voice[:2]]
    order = iter(rng.permutation(len(sentences)))
    text = sentences[next(order)]
    while len(text) < _LETTERS_PER_S * speed * seconds:
        text += " " + sentences[next(order)]
    return SpeechRequest(text, voice, speed, float(rng.uniform(0.8, 1.25)))


def say_all(requests: list[SpeechRequest]) -> list[NDArray[np.int16]]:
    """Synthesise every request in one fresh process with a fixed environment.

    Returns:
        One array of 16 kHz 16-bit samples for each request, bit-identical from run to run.

    Raises:
        InputError: the synthesiser is installed but does not run.
    """
    if not requests:
        return []
    paths = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(
        [sys.executable, "-c", _SAY_ALL],
        input=json.dumps([asdict(request) for request in requests]),
        capture_output=True,
        text=True,
        check=False,
        env=_FILL_MEMORY | paths,
    )
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise InputError(f"py_nanotts: cannot speak ({reason}); install py-nanotts again or remove it")
    return [np.frombuffer(base64.b64decode(speech), np.int16) for speech in json.loads(process.stdout)]


def _cut_like(spoken_S: Floats, samples: int) -> Floats:
    """Cut from the first sound to the quietest moment of the last 0.4 s before `samples`."""
    level = frame_level_db(spoken_S)
    first = int(np.argmax(level > np.percentile(level, 95) - 35)) * 160
    speech = spoken_S[first:]
    if len(speech) <= samples:
        return speech
    search = int(0.4 * SAMPLE_RATE_HZ)
    tail = frame_level_db(speech[samples - search : samples])
    return speech[: samples - search + int(np.argmin(tail)) * 160]


def _smooth_mean_power(wave_S: Floats) -> Floats:
    power = np.abs(stft(wave_S, _LENGTH, _HOP)) ** 2
    loud = power.sum(1)
    mean = power[loud > np.median(loud)].mean(0)
    return np.convolve(np.pad(mean, 8, mode="edge"), np.full(17, 1 / 17), "valid")


def _colour_like(spoken_S: Floats, recording_S: Floats) -> Floats:
    """Give the synthetic voice the long-term spectrum of the recording, within 20 dB either way."""
    ratio = _smooth_mean_power(recording_S) / (_smooth_mean_power(spoken_S) + TINY)
    gain = np.sqrt(np.clip(ratio / np.median(ratio), 0.01, 100))
    response = np.fft.fftshift(np.fft.irfft(gain)) * np.hanning(_LENGTH)
    coloured = fftconvolve(spoken_S, response, "same")
    return np.asarray(coloured * rms(recording_S) / rms(coloured))


def _background_like(recording_S: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Return noise with the spectrum of the recording's quietest moments."""
    floor = np.percentile(np.abs(stft(recording_S, _LENGTH, _HOP)), 8, axis=0)
    noise = stft(rng.standard_normal(samples), _LENGTH, _HOP)
    return istft(noise * floor / np.sqrt(_LENGTH * 0.375), _LENGTH, _HOP, samples)


def speech_in_place(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Return hidden Markov model speech with the length, colour and background of the recording."""
    speech = _colour_like(_cut_like(material.spoken, len(wave_S)), wave_S)
    return speech + _background_like(wave_S, len(speech), rng)


def converted_speech(wave_S: Floats, rng: np.random.Generator, material: Material) -> Floats:
    """Synthesise, then convert towards another speaker's spectra."""
    return differential_filter(speech_in_place(wave_S, rng, material), rng, material)
