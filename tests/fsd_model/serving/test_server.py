"""`fsd-tuner serve`: a real server under valid and hostile requests."""

from __future__ import annotations

import base64
import pickle
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fsd_model.data.audio import SAMPLE_RATE
from fsd_model.detector.detector import Detector
from tests.fsd_model.support.served import MAX_MB, MAX_SECONDS, Served, encoded, noise, serving
from tuner.commands import app as cli

pytestmark = pytest.mark.usefixtures("detector_commands")

SHORT = encoded(noise(SAMPLE_RATE // 2))
TEN_MB = 10_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("serve")
    with serving(
        folder, "--max-mb", str(MAX_MB), "--max-seconds", str(MAX_SECONDS), "--jobs", "2"
    ) as running:
        yield running


def form(content: bytes, name: str = "a.flac", field: str = "file") -> tuple[bytes, str]:
    head = f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--limit--\r\n", "multipart/form-data; boundary=limit"


def one_line(told: dict[str, str], *words: str) -> None:
    assert list(told) == ["error"]
    assert "\n" not in told["error"]
    for each in words:
        assert each in told["error"]


def test_the_answer_is_that_of_the_detector(served: Served, tmp_path: Path) -> None:
    samples = noise(7 * SAMPLE_RATE)
    (tmp_path / "a.flac").write_bytes(encoded(samples))
    loaded = Detector.load(served.folder / "detector")
    status, told = served.score((tmp_path / "a.flac").read_bytes())
    assert status == 200
    assert told["score"] == pytest.approx(loaded.score_file(tmp_path / "a.flac"), rel=1e-6)
    assert told["decision"] == loaded.decide(told["score"])
    assert told["threshold"] == loaded.threshold
    assert told["llr"] == loaded.llr(told["score"])
    assert told["spoof_probability"] == loaded.verdict(told["score"]).spoof_probability
    assert told["operating_point"]["prior_spoof"] == 0.05
    assert told["polarity"].startswith("higher = more bona fide")
    assert (told["duration_s"], told["detector"]) == (7.0, loaded.digest())
    scores = [each["score"] for each in told["windows"]]
    assert [(each["start_s"], each["end_s"]) for each in told["windows"]] == [(0, 5), (2, 7)]
    assert told["worst"] == told["windows"][int(np.argmin(scores))]
    assert told["mean"] == pytest.approx(np.mean(scores))
    assert told["windows_called_spoof"] == sum(score < loaded.threshold for score in scores)
    assert "spectrogram" not in told


def test_real_recordings_score_as_on_the_command_line(served: Served, tiny_corpus: Path) -> None:
    loaded = Detector.load(served.folder / "detector")
    for file in sorted((tiny_corpus / "LA/ASVspoof2019_LA_dev/flac").iterdir())[:4]:
        status, told = served.score(file.read_bytes())
        assert (status, told["score"]) == (200, pytest.approx(loaded.score_file(file), rel=1e-6))


def test_the_spectrogram_is_there_where_it_is_asked_for(served: Served) -> None:
    status, told, _ = served.ask("POST", "/score?spectrogram=true", SHORT)
    drawn = told["spectrogram"]
    assert (status, drawn["rows"], drawn["columns"]) == (200, 128, 50)
    assert len(base64.b64decode(drawn["shades"])) == 128 * 50
    status, told, _ = served.ask("POST", "/score?spectrogram=banana", SHORT)
    assert (status, told) == (400, {"error": "spectrogram: must be true or false; or leave it out"})


def test_raw_bytes_and_forms_are_the_same(served: Served) -> None:
    wanted = served.score(SHORT)
    for name in (
        "a.flac",
        "../../../etc/passwd",
        "..\\..\\evil.wav",
        "<script>alert(1)</script>",
        "a" * 3000,
    ):
        body, kind = form(SHORT, name)
        assert served.score(body, **{"Content-Type": kind}) == wanted
    assert list((served.folder / "tmp").iterdir()) == []


def chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield f"{len(part):x}\r\n".encode() + part + b"\r\n"
    yield b"0\r\n\r\n"


def test_chunked_uploads_are_read_and_bounded(served: Served) -> None:
    wanted = served.score(SHORT)
    header = {"Transfer-Encoding": "chunked"}
    assert served.score(chunked(iter([SHORT[:99], SHORT[99:]])), **header) == wanted
    megabyte = bytes(1_000_000)
    status, told = served.score(chunked(megabyte for _ in range(MAX_MB + 2)), **header)
    assert status == 413
    one_line(told, f"at most {MAX_MB} MB")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "0 bytes"),
        (b"this is no audio\n" * 50, 415, "of something else"),
        (np.random.default_rng(1).bytes(TEN_MB), 415, "got 10000000 bytes of something else"),
        (bytes((MAX_MB + 1) * 1_000_000), 413, "at most 11 MB; cut the audio"),
        (b"RIFF\xff\xff\xff\xffWAVE" + bytes(500), 415, "does not decode"),
        (b"fLaC" + b"\xff" * 500, 415, "does not decode"),
        (b"OggS" + bytes(500), 415, "cut-off end"),
        (SHORT[: len(SHORT) // 2], 415, "audio must be"),
        (encoded(np.zeros(100)), 422, "at least 0.1 s"),
        (encoded(np.full(9000, np.nan), form="WAV", subtype="FLOAT"), 415, "must be finite"),
        (encoded(1e9 * noise(9000), form="WAV", subtype="FLOAT"), 415, "must lie in [-1, 1)"),
        (encoded(np.zeros((9000, 9)), form="WAV"), 422, "at most 8 channels"),
        (encoded(noise(9000), 400_000, "WAV"), 422, "4000 to 192000 Hz, got 400000"),
        (encoded(noise(9000), 15_991, "WAV"), 415, "sampling rate must be a usual one"),
    ],
    ids=lambda each: f"{len(each)}" if isinstance(each, bytes) else str(each)[:20],
)  # fmt: skip
def test_what_is_no_fitting_audio_gets_a_clear_answer(served, body, status, words):
    got, told = served.score(body)
    assert (got, list(told)) == (status, ["error"])
    one_line(told, words)


def test_ten_megabytes_of_noise_that_are_audio(served: Served) -> None:
    body = encoded(noise(2_600_000)[: TEN_MB // 8 * 2].reshape(-1, 2), 192_000, "WAV", "FLOAT")
    assert abs(len(body) - TEN_MB) < 2_000
    status, told = served.score(body)
    assert status == 200
    assert told["duration_s"] == pytest.approx(6.51, abs=0.01)
    assert len(told["windows"]) == 2


def test_a_small_file_of_an_hour_is_refused_by_its_header(served: Served) -> None:
    silence = encoded(np.zeros(3600 * 8000, np.int16), 8000)
    assert len(silence) < 200_000
    # cut off behind the header: what is no longer there was not decoded
    for body in (silence, silence[:2000]):
        status, told = served.score(body)
        assert status == 422
        one_line(told, "at most 60 s long, got 3600 s")


def test_a_small_file_of_many_channels_is_refused_by_its_header(served: Served) -> None:
    assert served.score(encoded(np.zeros((3 * 192_000, 8), np.int16), 192_000))[0] == 200
    status, told = served.score(encoded(np.zeros((4 * 192_000, 8), np.int16), 192_000))
    assert status == 422
    one_line(told, "than 60 s of 48 kHz stereo, got 4 s of 192000 Hz with 8 channels")


def test_a_header_that_understates_the_duration_is_believed(served: Served) -> None:
    silence = bytearray(encoded(np.zeros(30 * SAMPLE_RATE, np.int16)))
    silence[22:26] = (SAMPLE_RATE).to_bytes(4, "big")  # the low 32 bits of STREAMINFO's number of samples
    status, told = served.score(bytes(silence))
    assert (status, told["duration_s"], len(told["windows"])) == (200, 1.0, 1)


def raw(served: Served, head: str, body: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=60)
    connection.sendall(f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n".encode() + body)
    return connection


def test_a_content_length_that_lies(served: Served) -> None:
    with raw(served, "Content-Length: 10", SHORT) as more:
        assert more.recv(4096).startswith(b"HTTP/1.1 415")
    with raw(served, f"Content-Length: {10**15}\r\nExpect: 100-continue") as huge:
        assert huge.recv(4096).startswith(b"HTTP/1.1 413")
    with raw(served, f"Content-Length: {len(SHORT) + 9}", SHORT) as fewer:
        fewer.shutdown(socket.SHUT_WR)  # and gone
    with raw(served, "Content-Length: -1") as negative:
        assert negative.recv(4096).startswith(b"HTTP/1.1 400")
    assert served.score(SHORT)[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"no form at all", "multipart/form-data; boundary=limit", "the form"),
        (b"", "multipart/form-data; boundary=limit", "the form contains no file"),
        (b"x", "multipart/form-data", "the form is broken"),
        (form(b"")[0], form(b"")[1], "0 bytes"),
        (form(SHORT)[0].replace(b'; filename="a.flac"', b""), form(b"")[1], "the form contains no file"),
    ],
)
def test_broken_forms(served, body, kind, words):
    status, told = served.score(body, **{"Content-Type": kind})
    assert status == 400
    one_line(told, words)


@pytest.mark.slow
def test_two_hundred_at_once_all_get_an_answer_and_memory_stays_flat(served: Served) -> None:
    junk = np.random.default_rng(2).bytes(TEN_MB)
    kinds = {"speech": (SHORT, 200), "noise": (junk, 415), "text": (b"text" * 99, 415), "empty": (b"", 400)}
    work = ["speech"] * 150 + ["noise"] * 20 + ["text"] * 15 + ["empty"] * 15

    def send(kind: str) -> tuple[str, int]:
        return kind, served.score(kinds[kind][0])[0]

    with ThreadPoolExecutor(200) as clients:
        warm = list(clients.map(send, work[100:]))
        before, files = served.rss_mb(), served.open_files()
        answers = list(clients.map(send, work))
    assert len(warm) == 100
    assert Counter(answers) == Counter((kind, kinds[kind][1]) for kind in work)
    growth = served.rss_mb() - before
    assert growth < 50, f"{before:.0f} MB grew by {growth:.0f} MB"
    assert served.open_files() <= files + 5
    assert list((served.folder / "tmp").iterdir()) == []
    assert served.score(SHORT)[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "[::1]:8000", "LOCALHOST"])
def test_the_names_of_this_machine_are_served(served, host):
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert served.ask("GET", "/health", headers={"Host": host})[0] == 200
    assert served.score(SHORT, **origin)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Host": "127.0.0.1", "Origin": "https://evil.example"},
        {"Host": "127.0.0.1", "Origin": "null"},
        {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_pages_of_other_sites_are_not_served(served, headers):
    status, told, got = served.ask("POST", "/score", SHORT, headers)
    assert status == 403
    one_line(told, "not served")
    assert "access-control-allow-origin" not in got


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/openapi.json",
        "/pages/",
        "/serve.html",
        "/../detector.json",
        "/%2e%2e/card",
        "//etc/passwd",
    ],
)
def test_there_is_nothing_else(served, path):
    status, told, headers = served.ask("GET", path)
    assert status == 404
    one_line(told, "there is GET /, GET /health, GET /card, POST /score")
    assert headers["x-content-type-options"] == "nosniff"


def test_what_is_served_beside_the_score(served: Served) -> None:
    status, card, headers = served.ask("GET", "/card")
    assert (status, card["operating_point"]["prior_spoof"], card["network"]["depth"]) == (200, 0.05, 9)
    assert "root" not in card["data"]
    limits = served.ask("GET", "/health")[1]["limits"]
    assert limits == {"min_seconds": 0.1, "max_bytes": MAX_MB * 10**6, "max_seconds": MAX_SECONDS}
    assert served.ask("GET", "/score")[0] == 405
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    for path in ("/", "/serve.js", "/serve.css"):
        status, content, _ = served.ask("GET", path)
        assert status == 200
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text  # nothing from elsewhere: it works offline
        assert "innerHTML" not in text


def test_a_request_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    with serving(tmp_path / "ending") as served:
        head = f"Content-Length: {len(SHORT)}\r\nExpect: 100-continue"
        with raw(served, head) as connection:
            assert b"100 Continue" in connection.recv(4096)
            served.process.send_signal(signal.SIGTERM)
            connection.sendall(SHORT)
            with connection.makefile("rb") as answer:
                assert answer.readline().startswith(b"HTTP/1.1 200 ")
        assert served.process.wait(30) == 0


class Payload:
    """A payload that an unpickler would run."""

    def __init__(self, bait: Path) -> None:
        self.bait = bait

    def __reduce__(self):
        return Path.touch, (self.bait,)


def test_pickled_weights_are_refused_unread(served, tmp_path, capsys):
    folder, bait = tmp_path / "detector", tmp_path / "unpickled"
    folder.mkdir()
    (folder / "detector.json").write_bytes((served.folder / "detector/detector.json").read_bytes())
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Payload(bait)))
    assert cli.run(["serve", str(folder), "--port", "0"]) == 2
    assert "not this detector's weights" in capsys.readouterr().err
    assert not bait.exists()


def test_a_port_that_is_taken_and_a_host_that_is_not_here(served: Served, capsys) -> None:
    folder = str(served.folder / "detector")
    assert cli.run(["serve", folder, "--port", str(served.port)]) == 2
    assert capsys.readouterr().err == (
        f"error: --host 127.0.0.1 --port {served.port}: Address already in use; give another\n"
    )
    assert cli.run(["serve", folder, "--host", "192.0.2.1"]) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert warning == "warning: 192.0.2.1 is open to whoever reaches it: no password, no encryption"
    assert "Cannot assign requested address" in error
