"""Maintainer command: make `fsd_model/corpus/recordings/` again from the Debian packages it was chosen from.

    apt-get download fillets-ng-data-cs fillets-ng-data-nl asterisk-core-sounds-{en,es,fr,it,ru}-g722
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done
    pip install G722
    python -m tests.support.build_recordings --packages unpacked --out fsd_model/corpus/recordings

The packages are only unpacked: nothing is installed into the system and nothing needs root.

Steps for each speaker: a fixed random order of the speaker's files; decode; 16 kHz; high-pass at 60 Hz; trim
silence; string prompts shorter than 1.3 s together with short pauses; cut what is longer than 4.5 s at its
quietest moment; one level; all utterances of a speaker back to back in one Ogg Vorbis file, indexed by
`segments.tsv`. Decoded samples are the same on every run (the files differ in the random serial number of the
Ogg stream). Licence texts come from the packages' copyright files, and that of the GPL from
/usr/share/common-licenses. README.md and ATTRIBUTION.md are written by hand and left alone.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import soundfile

from fsd_model.corpus.codec import encode, stored_level
from fsd_model.corpus.post_processing import cut_low, trim
from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats, frame_level_db, resample
from fsd_model.errors import InputError

_GAP = 1600  # zeros between two utterances
_SHORT, _LONG = int(1.3 * SAMPLE_RATE_HZ), int(4.5 * SAMPLE_RATE_HZ)
_SEED = 20240
_NOT_SPEECH = re.compile(r"silence/|beep|monkeys|tone|ascending|descending|/ha/|/spy-|ascii|digits/|letters/")
_HEADER = "utterance\trecording\torigin\tstart\tlength\n"


@dataclass(frozen=True)
class Recording:
    """One file to make: where its material lies in the packages, and how many utterances to take."""

    source: str
    name: str
    pattern: str
    utterances: int


RECORDINGS = (
    Recording("fillets-cs", "cs-v", "games/fillets-ng/sound/*/cs/*v-*.ogg", 140),
    Recording("fillets-cs", "cs-m", "games/fillets-ng/sound/*/cs/*m-*.ogg", 110),
    Recording("fillets-nl", "nl-m", "games/fillets-ng/sound/*/nl/*m-*.ogg", 140),
    Recording("fillets-nl", "nl-v", "games/fillets-ng/sound/*/nl/*v-*.ogg", 140),
    Recording("asterisk-en", "en", "asterisk/sounds/en_US_f_Allison/**/*.g722", 60),
    Recording("asterisk-es", "es", "asterisk/sounds/es_MX_f_Allison/**/*.g722", 60),
    Recording("asterisk-fr", "fr", "asterisk/sounds/fr_CA_f_June/**/*.g722", 105),
    Recording("asterisk-it", "it", "asterisk/sounds/it_IT_m_Carlo/**/*.g722", 90),
    Recording("asterisk-ru", "ru", "asterisk/sounds/ru_RU_f_IvrvoiceRU/**/*.g722", 105),
)


def _origin_files(recording: Recording, share: Path) -> list[Path]:
    files = [f for f in sorted(share.glob(recording.pattern)) if not _NOT_SPEECH.search(f.as_posix())]
    if recording.source.startswith("fillets"):
        tag = recording.name[-1]
        files = [f for f in files if re.fullmatch(rf"(?:[a-z0-9]+-)?{tag}-[^/]*\.ogg", f.name)]
    if not files:
        raise InputError(f"{share}/{recording.pattern}: no file; unpack the package there")
    return files


def _decode(file: Path) -> Floats:
    if file.suffix == ".ogg":
        wave, rate = soundfile.read(file, always_2d=True)
        return resample(wave.mean(1), rate, SAMPLE_RATE_HZ)
    codec = import_module("G722")  # only this command needs it, so no dependency of the project
    decoded = codec.G722(SAMPLE_RATE_HZ, 64_000).decode(file.read_bytes())
    return np.asarray(decoded, dtype=np.float64)[24:] / 32768


def _shorten(wave_S: Floats) -> Floats:
    """End an utterance longer than 4.5 s at its quietest moment from 2.5 s on."""
    if len(wave_S) <= _LONG:
        return wave_S
    level = np.convolve(frame_level_db(wave_S)[250:450], np.full(9, 1 / 9), "same")
    return wave_S[: (250 + int(np.argmin(level))) * 160]


def _cleaned(files: list[Path], rng: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    """Yield (name, speech) of every usable file, in random order."""
    for i in rng.permutation(len(files)):
        wave = _decode(files[i])
        if len(wave) < 4000 or np.abs(wave).max() < 1e-3:
            continue
        speech = trim(cut_low(wave), 35)
        if len(speech) >= 4000:
            yield files[i].name, stored_level(speech)


def _utterances(recording: Recording, share: Path) -> Iterator[tuple[str, Floats]]:
    """Yield (names of the origin files, 1 to 5 s of speech) until the recording has enough."""
    rng = np.random.default_rng([_SEED, *recording.name.encode()])
    held: list[tuple[str, Floats]] = []
    for name, speech in _cleaned(_origin_files(recording, share), rng):
        held.append((name, speech))
        total = sum(len(part) for _, part in held)
        wanted = _SHORT if len(held) == 1 else rng.uniform(1.3, 2.6) * SAMPLE_RATE_HZ
        if total < wanted:
            held.append(("", np.zeros(int(rng.uniform(0.02, 0.12) * SAMPLE_RATE_HZ))))
            continue
        whole = np.concatenate([part for _, part in held])
        yield "+".join(n for n, _ in held if n), stored_level(_shorten(whole))
        held = []


def build(packages: Path, out: Path) -> None:
    """Write audio, index and licence text of every source under `out`."""
    share = packages / "usr" / "share"
    for source in dict.fromkeys(recording.source for recording in RECORDINGS):
        folder = out / source
        folder.mkdir(parents=True, exist_ok=True)
        rows = [_write(recording, share, folder) for recording in RECORDINGS if recording.source == source]
        (folder / "segments.tsv").write_text(_HEADER + "".join(rows), encoding="utf-8")
        (folder / "LICENSE.txt").write_text(_licence(source, share), encoding="utf-8")


def _write(recording: Recording, share: Path, folder: Path) -> str:
    """Write the file of one speaker; return its lines of the index."""
    pieces: list[Floats] = []
    rows = []
    start = _GAP
    taken = zip(range(recording.utterances), _utterances(recording, share), strict=False)
    for number, (origin, wave) in taken:
        pieces += [np.zeros(_GAP), wave]
        rows.append(f"{recording.name}-{number:03d}\t{recording.name}\t{origin}\t{start}\t{len(wave)}\n")
        start += len(wave) + _GAP
    if len(rows) < recording.utterances:
        found = f"{len(rows)} utterances of {recording.utterances}"
        raise InputError(f"{share}/{recording.pattern}: only {found}; unpack the whole package")
    encode(np.concatenate([*pieces, np.zeros(_GAP)]), folder / f"{recording.name}.ogg")
    return "".join(rows)


def _licence(source: str, share: Path) -> str:
    """Return the full text of the licence of a source."""
    if source.startswith("fillets"):
        return Path("/usr/share/common-licenses/GPL-2").read_text(encoding="utf-8")
    name = "CC-BY-3.0" if source in ("asterisk-it", "asterisk-ru") else "CC-BY-SA-3.0"
    copyright_file = share / f"doc/asterisk-core-sounds-{source[-2:]}-g722/copyright"
    text = copyright_file.read_text(encoding="utf-8")
    body = max(re.findall(rf"^License: {name}\n((?: .*\n?)*)", text, re.MULTILINE), key=len)
    lines = ["" if line == " ." else line[1:] for line in body.splitlines()]
    return f"{name}\n\n" + "\n".join(lines).strip() + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the source recordings of the demo corpus again.")
    parser.add_argument("--packages", type=Path, required=True, help="folder that holds usr/share/...")
    parser.add_argument("--out", type=Path, required=True, help="fsd_model/corpus/recordings")
    chosen = parser.parse_args()
    build(chosen.packages, chosen.out)
