"""The pages behind the links of `fsd-tuner ui`, in a real browser."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tuner.support.browser import BROWSER, DRIVER, Page, browsing
from tests.tuner.support.studies import quiet, toy_study
from tuner.tracking.labels import trial_names
from tuner.tracking.server import StudyServer, serving, study_server
from tuner.workflows.search import SearchResult, search_local

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromium-driver"),
]
TRIALS = 12
CLOSE = "document.querySelector('[aria-label=\"Close\"]')?.click()"
# titles of the axes of parallel coordinates, which plotly draws on one page and d3 on the other
_TITLES = ".parcoords .axis-title, .dimension .label"
AXES = f"return [...document.querySelectorAll('{_TITLES}')].map(title => title.textContent)"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    out = tmp_path_factory.mktemp("browser") / "out"
    study = toy_study(
        trials=TRIALS, epochs=6, scheduler={"name": "asha", "grace_period": 2, "reduction_factor": 2}
    )
    return out, search_local(study, out, quiet())


@pytest.fixture(scope="module")
def study_ui(searched: tuple[Path, SearchResult]) -> Iterator[StudyServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = study_server(searched[0], port)
    with serving(server, searched[0] / "server.log"):
        yield server


@pytest.fixture(scope="module")
def page(study_ui: StudyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(1500, 1140, tmp_path_factory.mktemp("profile")) as browser:
        browser.open(study_ui.base)
        browser.wait(lambda page: "Experiments" in page.text())
        browser.run(CLOSE)
        yield browser


def names(outcome: SearchResult) -> list[str]:
    return [f"{trial.number:04d}" for trial in outcome.trials]


def test_the_compare_page_shows_every_trial_with_what_was_searched(
    searched: tuple[Path, SearchResult], study_ui: StudyServer, page: Page, tmp_path: Path
) -> None:
    page.open(study_ui.links["compare"])
    page.wait(lambda page: f"Comparing {TRIALS} Runs" in page.text() and bool(page.run(AXES)))
    text = page.text()
    assert all(name in text for name in names(searched[1]))
    for trial in searched[1].trials:
        assert str(trial.params["x"]) in text
        assert str(trial.params["cuts"]) in text
    assert all(name in text for name in trial_names(toy_study()))


def test_the_charts_begin_with_parallel_coordinates_over_what_was_searched(
    searched: tuple[Path, SearchResult], study_ui: StudyServer, page: Page
) -> None:
    page.open(study_ui.links["charts"])
    page.wait(lambda page: len(page.run(AXES)) > 1)
    axes = page.run(AXES)
    for name in ("x", "optim.rate", "width", "cut_1", "n_exits", "kind", "best/dev/loss"):
        assert any(axis.endswith(name) or name in axis for axis in axes), (name, axes)
    assert "Learning curves" in page.text()
    assert f"{TRIALS} matching runs" in page.text()


def test_the_table_has_best_values_and_searched_parameters_as_columns(
    searched: tuple[Path, SearchResult], study_ui: StudyServer, page: Page
) -> None:
    page.open(study_ui.links["table"])
    page.wait(lambda page: "best/dev/loss" in page.text() and names(searched[1])[0] in page.text())
    text = page.text()
    assert all(name in text for name in names(searched[1]))
    assert "best/epoch" in text
    best = min(trial.value for trial in searched[1].trials)
    assert str(best)[:7] in text
