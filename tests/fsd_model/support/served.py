"""A real `fsd-tuner serve` on a free port of 127.0.0.1, as a user starts it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from fsd_model.data.audio import SAMPLE_RATE
from tests.fsd_model.evaluation.test_final_evaluation import detector

ROOT = Path(__file__).parents[3]
MAX_MB, MAX_SECONDS = 11, 60


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON where it is) and headers, by lower-case name, of one request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=False)
            return read(connection)
        finally:
            connection.close()

    def score(self, body: Any, **headers: str) -> tuple[int, Any]:
        status, told, _ = self.ask("POST", "/score", body, headers)
        return status, told


def read(connection: HTTPConnection) -> tuple[int, Any, dict[str, str]]:
    answer = connection.getresponse()
    content, headers = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    told = json.loads(content) if headers.get("content-type") == "application/json" else content
    return answer.status, told, headers


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Serve an untrained detector, whose scores are arbitrary; `folder/tmp` holds what is temporary."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    detector().save(folder / "detector")
    words = ["serve", str(folder / "detector"), "--port", "0", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from tuner.commands.app import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving http://127.0.0.1:"), line + process.stdout.read()
        yield Served(process, int(re.findall(r":(\d+)/", line)[0]), folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def encoded(
    samples: np.ndarray, rate: int = SAMPLE_RATE, form: str = "FLAC", subtype: str = "PCM_16"
) -> bytes:
    """An audio file as bytes."""
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=form, subtype=subtype)
    return held.getvalue()


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=samples).astype(np.float32)
