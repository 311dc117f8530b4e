"""A forecast measured on a real Ray cluster: known sleeps, failures as one line, nothing left behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.tuner.support.studies import quiet, toy_study
from tuner.commands.summary import summary
from tuner.errors import StudyError
from tuner.forecast.forecast import Forecast
from tuner.forecast.measure import measure
from tuner.forecast.run import NAME, forecast_into, make_forecast
from tuner.study.study import Study
from tuner.workflows.search import search

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.slow]


def sleepy(**changes: Any) -> Study:
    content = {
        "trial": "tests.tuner.support.costly:run", "search": {"size": {"int": [1, 4]}}, "epochs": 5,
        "trials": 6,
        "settings": {"epoch_s": 0.1, "start_s": 0.5, "held": True, "state_bytes": 100_000},
        "scheduler": {"name": "none"}, "concurrency": 2,
    }  # fmt: skip
    return toy_study(**(content | changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Forecast, Path, str]:
    """A forecast of the sleepy toy, its folder and its lines."""
    folder, console = tmp_path_factory.mktemp("forecast"), Console(file=io.StringIO(), width=300)
    return make_forecast(sleepy(), 2, str(folder), console), folder, console.file.getvalue()


def test_known_sleeps_are_measured(made: tuple[Forecast, Path, str]) -> None:
    small, large = made[0].smallest, made[0].largest
    assert (small.params, large.params) == ({"size": 1}, {"size": 4})
    assert 0.1 <= small.report_s < large.report_s  # how much above the sleep is the machine's load
    assert large.report_s >= 0.4
    for end, sleep in ((small, 0.1), (large, 0.4)):
        assert end.start_s + end.report_s >= 0.5 + sleep  # the first report, whatever later ones took


def test_memory_and_states_are_the_trials_own(made: tuple[Forecast, Path, str]) -> None:
    small, large = made[0].smallest, made[0].largest
    assert large.memory - small.memory == pytest.approx(30e6, abs=8e6)
    assert small.memory > 20e6
    assert (small.checkpoint, large.checkpoint) == (100_001, 400_001)
    assert made[0].disk.high == 2 * 6 * 400_001
    assert made[0].room > large.memory
    assert large.device_memory is None  # a figure of the CPU, where no GPU is reserved


def test_nothing_stays_in_the_storage(made: tuple[Forecast, Path, str]) -> None:
    assert list(made[1].iterdir()) == []


def test_the_lines_are_printed(made: tuple[Forecast, Path, str]) -> None:
    titles = [line.split()[0] for line in made[2].splitlines()]
    assert titles == ["measuring", "forecast", "smallest", "largest", "time", "memory", "disk"]


def test_a_search_says_what_was_forecast_and_what_it_took(tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = sleepy(settings={"epoch_s": 0.1, "start_s": 0.2})
    outcome = search(study, out, quiet())
    said = json.loads((out / NAME).read_text())["seconds"]
    asleep = sum(0.2 + 5 * 0.1 * trial.params["size"] for trial in outcome.trials) / 2
    assert min(3600 * outcome.spent.wall_hours, said["high"]) >= asleep  # how much more is the machine's load
    assert 0 < said["low"] <= said["high"]
    (line,) = [line for line in summary(study, outcome, out) if line.startswith("forecast")]
    assert "; it took " in line
    before = (out / NAME).stat().st_mtime_ns
    search(study, out, quiet(), resume=True)
    assert (out / NAME).stat().st_mtime_ns == before


def test_a_search_of_a_trial_without_cost_forecasts_nothing(tmp_path: Path) -> None:
    forecast_into(toy_study(), tmp_path / "out", quiet(), 2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fails": 4}, "RuntimeError: boom in two lines"),
        ({"dies": 4}, "its process died: out of memory, or killed"),
    ],
)
def test_a_configuration_that_fails_is_one_line(changes: dict[str, int], reason: str, tmp_path: Path) -> None:
    study = sleepy(settings={"epoch_s": 0.01, **changes})
    line = rf"^forecast: the configuration \[size=4\] does not work: {reason}; correct it, .*--no-forecast"
    with pytest.raises(StudyError, match=line) as error:
        make_forecast(study, 2, str(tmp_path), quiet())
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_of_one_report_has_no_second(tmp_path: Path) -> None:
    study = sleepy(epochs=1, settings={"epoch_s": 0.1, "start_s": 0.3})
    (only,) = measure(study, [{"size": 2}], [20.0], str(tmp_path), quiet())
    assert only.start_s == 0
    assert 0.5 <= only.report_s < 2


def test_a_sign_of_life_comes_while_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.forecast.measure.PROGRESS_S", 0.2)
    console = Console(file=io.StringIO(), width=300)
    measure(sleepy(settings={"epoch_s": 0.5}), [{"size": 1}], [10.0], str(tmp_path), console)
    lines = console.file.getvalue().splitlines()
    assert any(line.startswith("measuring for the forecast: 1 of 2 reports after ") for line in lines)


def test_a_storage_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"^storage: .* cannot be written"):
        make_forecast(sleepy(), 2, str(tmp_path / "file"), quiet())
