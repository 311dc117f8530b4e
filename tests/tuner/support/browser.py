"""A real browser without a window, spoken to by the W3C WebDriver protocol of its own driver."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip


class Page:
    """The one page of a browser."""

    def __init__(self, base: str, session: str) -> None:
        self._base = f"{base}/session/{session}"

    def open(self, url: str) -> None:
        _post(f"{self._base}/url", {"url": "about:blank"})  # else a changed fragment loads nothing
        _post(f"{self._base}/url", {"url": url})

    def run(self, script: str) -> Any:
        """The value of a script's `return`."""
        return _post(f"{self._base}/execute/sync", {"script": script, "args": []})

    def text(self) -> str:
        return str(self.run("return document.body.innerText"))

    def wait(self, what: Callable[[Page], bool], seconds: float = 60.0) -> None:
        """Until it is so; the page's text says what there is instead."""
        deadline = time.monotonic() + seconds
        while not what(self):
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.25)

    def picture(self, file: Path) -> None:
        with urlopen(f"{self._base}/screenshot", timeout=60) as answer:
            file.write_bytes(base64.b64decode(json.load(answer)["value"]))


@contextmanager
def browsing(width: int, height: int, profile: Path) -> Iterator[Page]:
    """A browser of a size in pixels, with `profile` as its new folder."""
    assert BROWSER is not None
    assert DRIVER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [DRIVER, f"--port={port}", "--allowed-ips=127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(driver, f"{base}/status")
        args = [*_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"]
        options = {"goog:chromeOptions": {"binary": BROWSER, "args": args}}
        session = _post(f"{base}/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        try:
            yield Page(base, session)
        finally:
            with urlopen(Request(f"{base}/session/{session}", method="DELETE"), timeout=30):
                pass
    finally:
        driver.terminate()
        driver.wait(30)


def _wait(driver: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and driver.poll() is None:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("chromedriver does not answer")


def _post(url: str, content: dict[str, Any]) -> Any:
    request = Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as answer:
        return json.load(answer)["value"]
