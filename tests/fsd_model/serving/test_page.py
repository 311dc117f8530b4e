"""The page of `fsd-tuner serve` in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from fsd_model.data.audio import SAMPLE_RATE
from tests.fsd_model.support.served import Served, encoded, noise, serving
from tests.support.browser import browser

pytestmark = pytest.mark.browser
SECONDS = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("page"), "--max-mb", "1") as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(served: Served, driver: Any) -> Any:
    driver.get(f"http://127.0.0.1:{served.port}/")
    wait(driver, lambda: "MB" in text(driver, "limits"))
    return driver


def text(driver: Any, name: str) -> str:
    return driver.find_element("id", name).text


def wait(driver: Any, condition: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda _: condition())


def give(driver: Any, file: Path) -> None:
    """Choose a file, and wait for the answer or the error."""
    driver.find_element("id", "file").send_keys(str(file))
    wait(driver, lambda: any(driver.find_element("id", name).is_displayed() for name in ("result", "error")))


def audio(folder: Path, seconds: float, name: str = "speech.flac") -> Path:
    path = folder / name
    path.write_bytes(encoded(noise(round(seconds * SAMPLE_RATE))))
    return path


def test_a_long_recording_is_drawn_with_its_scores(page: Any, served: Served, tmp_path: Path) -> None:
    file = audio(tmp_path, SECONDS)
    told = served.score(file.read_bytes())[1]
    give(page, file)
    called = {0: "Called bona fide", len(told["windows"]): "Called spoof"}
    assert text(page, "decision") == called.get(told["windows_called_spoof"], "Called spoof in part")
    assert "Higher = more bona fide; below the threshold = spoof." in text(page, "meaning")
    assert f"{abs(told['score']):.2f}" in text(page, "numbers")
    points = page.find_elements("css selector", "#plot .point")
    assert len(points) == len(told["windows"]) == 4
    rows = page.find_elements("css selector", "#windows tr")
    assert len(rows) == 4
    worst = page.find_elements("css selector", "#windows tr.worst")
    assert [row.text.split()[0] for row in worst] == [f"{told['worst']['start_s']:.2f}"]
    assert len(page.find_elements("css selector", "#plot .threshold, #plot .worst")) == 2
    painted = "const c = document.getElementById('spectrogram'), d = c.getContext('2d')"
    painted += ".getImageData(0, 0, c.width, c.height).data; return [c.width, c.height, new Set(d).size]"
    width, height, shades = page.execute_script(painted)
    assert (width, height) == (900, 128)
    assert shades > 50
    marked = page.find_element("css selector", "#plot rect.worst").rect
    plot = page.find_element("id", "spectrogram").rect
    assert (marked["x"] - plot["x"]) / plot["width"] == pytest.approx(
        told["worst"]["start_s"] / SECONDS, abs=0.01
    )
    assert marked["width"] / plot["width"] == pytest.approx(5 / SECONDS, abs=0.01)


def test_a_short_one_has_one_window(page: Any, tiny_corpus: Path) -> None:
    real = min((tiny_corpus / "LA/ASVspoof2019_LA_dev/flac").iterdir())
    assert soundfile.info(real).duration < 5
    give(page, real)
    assert text(page, "decision") in ("Called bona fide", "Called spoof")
    assert len(page.find_elements("css selector", "#plot .point")) == 1
    assert page.find_elements("css selector", "#plot rect") == []
    # the policy for content let everything pass that the page itself does
    assert [entry for entry in page.get_log("browser") if "Content Security Policy" in entry["message"]] == []


def test_errors_are_said_in_words_and_the_next_file_is_scored(page: Any, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no audio\n" * 50)
    give(page, tmp_path / "text.wav")
    assert text(page, "error").startswith("text.wav: audio must be whole FLAC, WAV or OGG")
    (tmp_path / "large.wav").write_bytes(bytes(1_500_000))
    give(page, tmp_path / "large.wav")
    wait(page, lambda: text(page, "error") == "large.wav: an upload must be at most 1 MB, got 1.5 MB")
    give(page, audio(tmp_path, 0.01))
    wait(page, lambda: "at least 0.1 s long" in text(page, "error"))
    page.find_element("id", "file").send_keys(str(audio(tmp_path, 1.0)))
    wait(page, lambda: page.find_element("id", "result").is_displayed())
    assert not page.find_element("id", "error").is_displayed()


DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (each) => each.charCodeAt(0)), held = new DataTransfer();
held.items.add(new File([bytes], "dropped.flac"));
const event = new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true });
document.getElementById("drop").dispatchEvent(event);
return event.defaultPrevented;
"""


def test_a_dropped_file_is_scored_and_not_opened(page: Any) -> None:
    content = base64.b64encode(encoded(noise(SAMPLE_RATE))).decode()
    assert page.execute_script(DROP, content) is True
    wait(page, lambda: page.find_element("id", "result").is_displayed())
    assert text(page, "name") == "dropped.flac"


def test_light_and_dark(page: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        grounds.append(page.find_element("tag name", "body").value_of_css_property("background-color"))
    assert grounds == ["rgba(246, 247, 249, 1)", "rgba(18, 21, 27, 1)"]


def test_a_file_s_name_is_text(page: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=document.title=1>.flac"
    give(page, audio(tmp_path, 1.0, name))
    assert text(page, "name") == name
    assert page.find_elements("tag name", "img") == []
    assert page.title.startswith("fsd-tuner")


def test_the_keyboard_is_enough(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.find_element("tag name", "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("id") == "file"
    assert page.find_element("id", "drop").value_of_css_property("outline-style") == "solid"
