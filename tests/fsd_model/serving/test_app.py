"""The parts of the server: the gate, slow uploads, the guard, the spectrogram."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from fsd_model.data.audio import SAMPLE_RATE
from fsd_model.serving.app import build_app
from fsd_model.serving.guard import Guard
from fsd_model.serving.limits import Limits
from fsd_model.serving.refusal import RefusalError
from fsd_model.serving.spectrogram import COLUMNS, ROWS, Spectrogram
from fsd_model.serving.upload import Upload
from tests.fsd_model.evaluation.test_final_evaluation import detector
from tests.fsd_model.support.served import encoded, noise

SHORT = encoded(noise(SAMPLE_RATE // 2))


def scope(method: str = "POST", path: str = "/score", **headers: str) -> dict[str, Any]:
    head = {"host": "127.0.0.1", **headers}
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in head.items()],
    }  # fmt: skip


async def asked(app: Any, request: dict[str, Any], body: bytes = b"") -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers that an application gives without a network."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(request, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], json.loads(content or b"null"), headers


def test_beyond_the_queue_a_request_is_told_when_to_come_back() -> None:
    free = Event()

    async def three(pool: ThreadPoolExecutor) -> list[Any]:
        app = build_app(detector(), Limits(jobs=1, receiving=0, waiting=1), pool)
        under_way = []
        for _ in range(3):
            under_way.append(asyncio.create_task(asked(app, scope(), SHORT)))
            await asyncio.sleep(0)
        refused = await under_way[2]  # while the thread is busy with something else
        free.set()
        return [await under_way[0], await under_way[1], refused]

    with ThreadPoolExecutor(1) as pool:
        pool.submit(free.wait, 60)
        first, second, third = asyncio.run(three(pool))
    assert first[0] == second[0] == 200
    assert third[:2] == (503, {"error": "busy: 1 requests wait already; ask again later"})
    assert third[2]["retry-after"] == "5"


def test_a_turn_that_does_not_come_is_a_503() -> None:
    free = Event()

    async def two(pool: ThreadPoolExecutor) -> tuple[Any, Any]:
        app = build_app(detector(), Limits(jobs=1, receiving=0, patience_s=0.05), pool)
        first = asyncio.create_task(asked(app, scope(), SHORT))
        await asyncio.sleep(0)
        second = await asked(app, scope(), SHORT)
        free.set()
        return await first, second

    with ThreadPoolExecutor(1) as pool:
        pool.submit(free.wait, 60)
        first, second = asyncio.run(two(pool))
    assert first[0] == 200
    assert second[:2] == (503, {"error": "busy: no turn within 0.05 s; ask again later"})


def test_an_upload_that_does_not_end_is_a_408() -> None:
    async def stalled() -> dict[str, Any]:
        if stalled.__dict__.setdefault("begun", []):
            await asyncio.Event().wait()
        stalled.__dict__["begun"].append(True)
        return {"type": "http.request", "body": b"fLaC", "more_body": True}

    with pytest.raises(RefusalError) as caught:
        asyncio.run(Upload(Request(scope(), stalled), Limits(patience_s=0.05)).file())
    assert caught.value.status == 408


def test_a_detector_that_diverged_gives_no_number() -> None:
    broken = detector()
    for parameter in broken.network.parameters():
        parameter.data.fill_(np.nan)
    with ThreadPoolExecutor(1) as pool:
        app = build_app(broken, Limits(), pool)
        status, told, _ = asyncio.run(asked(app, scope(), SHORT))
    assert (status, told) == (
        500,
        {"error": "the detector gives no finite score for this audio; train it again"},
    )


@pytest.mark.parametrize(
    ("listening", "host", "served"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "192.168.1.5", False),
        ("192.168.1.5", "192.168.1.5:8000", True),
        ("speech.example", "SPEECH.example", True),
        ("0.0.0.0", "192.168.1.5:8000", True),
        ("::", "[2001:db8::1]:8000", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "1.2.3.4.evil.example", False),
        ("127.0.0.1", "", False),
    ],
)
def test_hosts_that_are_served(listening, host, served):
    async def inner(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    status, _, headers = asyncio.run(asked(Guard(inner, listening), scope("GET", "/", host=host)))
    assert status == (200 if served else 403)
    assert headers["x-content-type-options"] == "nosniff"


def test_a_tone_is_one_bright_row_wherever_the_blocks_are_cut() -> None:
    hertz, samples = 1000.0, 5 * SAMPLE_RATE
    tone = (0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / SAMPLE_RATE)).astype(np.float32)
    pictures = []
    for size in (samples, 7001, 300):
        spectrogram = Spectrogram(samples)
        for at in range(0, samples, size):
            spectrogram.add(tone[at : at + size])
        pictures.append(spectrogram.picture())
    assert pictures[0].shape == (ROWS, 500)
    bright = pictures[0].mean(axis=1).argmax()
    assert bright == pytest.approx(hertz / 8000 * ROWS, abs=1)
    assert pictures[0][bright].min() > 230
    assert pictures[0][bright + 20, 1:-1].max() == 0  # the tone sets in at both ends
    for other in pictures[1:]:
        assert np.abs(other.astype(int) - pictures[0]).max() <= 1


def test_every_column_shows_what_is_in_it_however_long_the_audio() -> None:
    seconds = 400
    spectrogram = Spectrogram(seconds * SAMPLE_RATE)
    for second in range(seconds):
        loud = 100 <= second < 200
        spectrogram.add(noise(SAMPLE_RATE) * np.float32(loud))
    shades_T = spectrogram.picture().mean(axis=0)
    assert len(shades_T) == COLUMNS
    quarter = COLUMNS // 4
    assert shades_T[quarter + 1 : 2 * quarter - 1].min() > 150
    assert shades_T[: quarter - 1].max() == shades_T[2 * quarter + 1 :].max() == 0


@pytest.mark.parametrize("samples", [1, 100, 511, 1600])
def test_the_shortest_audio_and_silence_have_a_picture(samples: int) -> None:
    spectrogram = Spectrogram(samples)
    spectrogram.add(np.zeros(samples, np.float32))
    assert not spectrogram.picture().any()
