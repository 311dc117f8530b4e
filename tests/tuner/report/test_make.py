"""The report on a search: its numbers against the journal's own, its page, and reports at bad moments."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from tests.tuner.support.journals import Run, write_journal
from tests.tuner.support.studies import DEFAULT, SPACE, journal, quiet, toy_study
from tuner.commands.app import run as command
from tuner.errors import StudyError
from tuner.journal.record import State
from tuner.report.elements import Figure, Section, json_values
from tuner.report.make import make_report, search_sections, write_report
from tuner.report.sections import importance, trial_sections
from tuner.report.sections.finalists import read_finalists
from tuner.report.sections.result import ONE_RUN
from tuner.report.sections.rungs import measured
from tuner.report.svg import COLOURS, render
from tuner.results.importance import importances
from tuner.results.study_folder import read_study_folder
from tuner.tracking.address import store_uri
from tuner.workflows.search import SearchResult, search_local

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Every tag with its attributes; an end that does not fit its begin is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Resampling is what takes time in a report, and not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "importances", lambda study, rows: importances(study, rows, draws=2))
        yield


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    """A search in this process with failures, stopped trials, a default and finalists."""
    out = tmp_path_factory.mktemp("report") / "out"
    study = toy_study(
        search={**SPACE, "fate": {"choice": ["fine", "good", "fail", "nan"]}}, trials=18,
        default={**DEFAULT, "fate": "fine"}, finalists={"top": 2, "seeds": 2},
        sampler={"name": "random", "seed": 1}, resources={"cpu": 1, "gpu": 0.5},
    )  # fmt: skip
    return out, search_local(study, out, quiet())


@pytest.fixture(scope="module")
def report(searched: tuple[Path, SearchResult]) -> tuple[str, dict[str, Any]]:
    """Its page, and its numbers as read from the file."""
    html, numbers = write_report(searched[0], searched[0].parent / "made.html")
    return html.read_text(), json.loads(numbers.read_text(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def sections_of(folder: Path) -> list[Section]:
    return list(search_sections(read_study_folder(folder), None))


# -- numbers ------------------------------------------------------------------------------------------------


def test_counts_best_and_default_are_those_of_the_journal(searched, report) -> None:
    events, numbers = journal(searched[0]), report[1]["result"]
    ends = {e["trial"]: e["state"] for e in events if e["event"] == "trial_ended"}
    last = {e["trial"]: e["metrics"]["dev/loss"] for e in events if e["event"] == "trial_reported"}
    assert numbers["trials"] == Counter(ends.values())
    assert {"complete", "stopped", "failed"} <= set(numbers["trials"])
    assert numbers["begun"] == len(ends) == 18
    assert numbers["default"]["value"] == last[0]
    assert numbers["best"]["value"] == last[numbers["best"]["trial"]]
    complete = [number for number, state in ends.items() if state == "complete"]
    curve = [each["value"] for each in report[1]["progress"]["best_so_far"]]
    assert len(curve) == len(complete)
    assert curve[-1] == min(last[number] for number in complete)
    assert curve == sorted(curve, reverse=True)


def test_the_finals_are_decided_as_the_search_decided_them(searched, report) -> None:
    found, numbers = searched[1].finals, report[1]["finalists"]
    assert found is not None
    assert numbers["winner"] == found.winner.number == report[1]["result"]["best"]["trial"]
    assert numbers["difference"]["mean"] == found.difference.mean
    means = {row["trial"]: row["mean"] for row in numbers["candidates"]}
    assert means == {each.number: each.mean for each in found.race.candidates}
    assert report[1]["result"]["best"]["mean"] == found.winner.mean


def test_rungs_are_measured_as_the_scheduler_measured_them(searched) -> None:
    assert list(measured(read_study_folder(searched[0]))) == searched[1].diagnostics


def test_failures_are_counted_by_cause(searched, report) -> None:
    ends = [e for e in journal(searched[0]) if e["event"] == "trial_ended" and e["state"] == "failed"]
    numbers = report[1]["failures"]
    assert len(numbers["trials"]) == len(ends) > 1
    assert numbers["failed_by_cause"] == Counter(
        "RuntimeError" if "boom" in end["reason"] else "not-finite" for end in ends
    )


def test_retries_are_counted_by_cause(tmp_path: Path) -> None:
    runs = [
        Run({"x": 0.1}, [0.5] * 4, retries=["lost", "lost"]), Run({"x": 0.2}, [0.4] * 4, retries=["memory"]),
        Run({"x": 0.3}, [0.4], State.FAILED, "out of memory", retries=["memory"]),
    ]  # fmt: skip
    folder = write_journal(tmp_path, toy_study(search={"x": {"float": [0, 1]}}), runs)
    numbers = make_report(folder).numbers["failures"]
    assert numbers["by_cause"] == {
        "lost": {"attempts": 2, "trials": 1, "recovered": 1},
        "memory": {"attempts": 2, "trials": 2, "recovered": 1},
    }  # fmt: skip
    assert numbers["failed_by_cause"] == {"memory": 1}
    assert numbers["retries"] == 4


def test_hours_are_those_of_the_journal(searched, report) -> None:
    both = [journal(searched[0]), journal(searched[0] / "finalists")]
    gpu_s = sum(0.5 * event.get("seconds", 0) for events in both for event in events)
    times = [[datetime.fromisoformat(event["time"]).timestamp() for event in events] for events in both]
    numbers = report[1]["cost"]
    assert numbers["gpu_hours"] == pytest.approx(gpu_s / 3600)
    assert numbers["wall_hours"] == pytest.approx(sum(each[-1] - each[0] for each in times) / 3600)
    assert sum(numbers["trial_seconds"].values()) == pytest.approx(sum(e.get("seconds", 0) for e in both[0]))


def test_stopping_saves_what_the_stopped_trials_would_have_taken(tmp_path: Path) -> None:
    runs = [Run({"x": 0.1}, [0.5, 0.4, 0.3, 0.2]), Run({"x": 0.9}, [0.9], State.STOPPED, seconds=3.0)]
    folder = write_journal(tmp_path, toy_study(search={"x": {"float": [0, 1]}}), runs)
    assert make_report(folder).numbers["cost"]["saved_by_stopping"] == {"reports": 3, "seconds": 9.0}


def test_cuts_are_counted_where_they_are(tmp_path: Path) -> None:
    space = {"cuts": {"cuts": {"positions": 3, "count": [1, 2]}}}
    runs = [Run({"cuts": cuts}, [value]) for cuts, value in (([1], 0.4), ([1, 3], 0.2), ([3], 0.1))]
    folder = write_journal(tmp_path, toy_study(search=space, epochs=1), runs)
    first, second, third = make_report(folder).numbers["cuts"]["cuts"]
    assert (first["with"], first["median_with"], first["median_without"]) == (2, pytest.approx(0.3), 0.1)
    assert (second["with"], second["median_with"], second["difference"]) == (0, None, None)
    assert third["difference"] == pytest.approx(0.15 - 0.4)


def test_arms_are_compared_with_the_first(tmp_path: Path) -> None:
    runs = [
        Run({"arm": arm, "seed": seed}, [value + 0.01 * seed**2])
        for seed in (1, 2, 3) for arm, value in (("baseline", 0.3), ("both", 0.2 + 0.001 * seed))
    ]  # fmt: skip
    write_journal(tmp_path / "ablation", toy_study(search={}, epochs=1, trials=1), runs)
    write_journal(tmp_path, toy_study(), [])
    numbers = make_report(tmp_path).numbers["ablation"]
    assert numbers["values"]["baseline"] == pytest.approx({"1": 0.31, "2": 0.34, "3": 0.39})
    (row,) = numbers["differences"]
    assert row["mean"] == pytest.approx(-0.098)
    assert row["verdict"] == "better"


# -- which settings mattered -------------------------------------------------------------------------------


def test_importance_finds_the_one_setting_that_matters_whichever_way_is_better() -> None:
    rng = np.random.default_rng(3)
    space = {"x": {"float": [0, 1]}, "y": {"float": [0, 1]}, "k": {"choice": ["a", "b"]}}
    points = [{"x": rng.random(), "y": rng.random(), "k": str(rng.choice(["a", "b"]))} for _ in range(60)]
    low = importances(toy_study(search=space), [(p, (p["x"] - 0.3) ** 2) for p in points], draws=20)
    assert [low[0].path, low[0].shown, low[1].shown, low[2].shown] == ["x", True, False, False]
    assert sum(row.share for row in low) == pytest.approx(1)
    assert all(row.low <= row.share <= row.high for row in low)
    upward = toy_study(search=space, metric={"name": "dev/loss", "mode": "max"})
    assert importances(upward, [(p, -((p["x"] - 0.3) ** 2)) for p in points], draws=20) == low


def test_importance_says_nothing_of_few_trials_or_equal_ones() -> None:
    study = toy_study(search={"x": {"float": [0, 1]}})
    assert importances(study, [({"x": i / 9}, float(i)) for i in range(7)]) == []
    assert importances(study, [({"x": i / 9}, 1.0) for i in range(9)]) == []


# -- what next ----------------------------------------------------------------------------------------------


def advice_of(folder: Path) -> list[str]:
    return [each["do"] for each in sections_of(folder)[-1].numbers]


def test_a_best_value_at_the_end_of_its_range_asks_for_more_room(tmp_path: Path) -> None:
    study = toy_study(
        search={"x": {"float": [0, 1]}, "n": {"int": [1, 3]}, "r": {"log": [1e-4, 1]}}, epochs=1
    )
    folder = write_journal(tmp_path, study, [Run({"x": 0.99, "n": 3, "r": 1.2e-4}, [0.1])])
    assert advice_of(folder) == ["widen `x` above 1", "widen `r` below 0.0001"]


def test_nothing_is_suggested_where_nothing_speaks_for_it(tmp_path: Path) -> None:
    folder = write_journal(
        tmp_path, toy_study(search={"x": {"float": [0, 1]}}, epochs=1), [Run({"x": 0.5}, [0.1])]
    )
    last = sections_of(folder)[-1]
    assert (last.text, last.numbers) == (["No suggestions."], [])


def test_trials_that_are_all_stopped_at_the_first_rung_ask_for_a_longer_grace(tmp_path: Path) -> None:
    runs = [Run({"x": 0.5}, [0.1, 0.1, 0.1, 0.1])]
    runs += [Run({"x": 0.3}, [0.2 + 0.01 * i], State.STOPPED) for i in range(9)]
    folder = write_journal(tmp_path, toy_study(search={"x": {"float": [0, 1]}}), runs)
    assert "raise `scheduler.grace_period` above 1, or lower `scheduler.reduction_factor`" in advice_of(
        folder
    )


def test_many_failures_with_one_choice_in_common_name_it(tmp_path: Path) -> None:
    study = toy_study(search={"kind": {"choice": ["a", "b"]}}, epochs=1)
    runs = [Run({"kind": "b"}, [], State.FAILED, "ValueError: no")] * 3 + [Run({"kind": "a"}, [0.1])]
    (row,) = sections_of(write_journal(tmp_path, study, runs))[-1].numbers
    assert row["why"] == "3 of 4 trials failed; all of them have kind = b; the first: ValueError: no"


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_needs_no_network(report) -> None:
    text, page = report[0], Page(report[0])
    assert len(text) < 1_500_000
    assert not re.search(r"https?:|//\w|@import|@font-face|<script|javascript:", text.replace("</", ""))
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    for _, attributes in page.tags:
        assert "src" not in attributes
        for key in ("href", "xlink:href"):
            assert (attributes.get(key) or "#").startswith("#")
    anchors = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert anchors == {f"#{attributes['id']}" for tag, attributes in page.tags if tag == "section"}
    assert sum(tag == "svg" for tag, _ in page.tags) == sum(tag == "figure" for tag, _ in page.tags) > 6


def test_colours_are_the_page_s_own(report) -> None:
    figures = re.findall(r"<svg.*?</svg>", report[0], re.DOTALL)
    assert all("var(--ink)" in figure for figure in figures)
    assert not any(colour in report[0] for colour in COLOURS.values())
    used = {colour for figure in figures for colour in re.findall(r"#[0-9a-f]{6}\b", figure)}
    assert used == set()


def test_every_figure_has_a_title_units_and_a_sentence_on_how_to_read_it(searched) -> None:
    figures = [figure for section in sections_of(searched[0]) for figure in section.drawable]
    assert len(figures) > 6
    for figure in figures:
        assert figure.title
        assert figure.x
        assert figure.y
        assert figure.reading.endswith(".")
        assert len(figure.reading.split()) > 5
        assert figure.points > 1


def test_a_single_point_makes_no_figure(tmp_path: Path) -> None:
    folder = write_journal(tmp_path, toy_study(epochs=1), [Run(DEFAULT, [0.5], None)], end=None)
    assert [figure.title for section in sections_of(folder) for figure in section.drawable] == []
    assert "<svg" not in make_report(folder).html


def test_what_a_user_wrote_is_escaped(tmp_path: Path) -> None:
    space = {"kind": {"choice": [EVIL, "$x_{", "\\frac"]}, f"a.b{'c' * 30}": {"float": [0, 1]}}
    path = list(space)[1]
    runs = [
        Run({"kind": EVIL, path: 0.1}, [0.5]), Run({"kind": "$x_{", path: 0.2}, [0.4]),
        Run({"kind": "\\frac", path: 0.3}, [], State.FAILED, f"ValueError: {EVIL} \ud800 `{EVIL}`"),
    ]  # fmt: skip
    html, _ = write_report(write_journal(tmp_path, toy_study(search=space, epochs=1), runs))
    text = html.read_text()
    Page(text)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 3
    assert "$x_{" in text


def test_the_same_figure_gives_the_same_text() -> None:
    figure = Figure("a", "b", "c", "d", 2, lambda axes: axes.plot([1, 2], [3, 4], "o-"))
    assert render(figure) == render(figure)
    assert "font-size: " in render(figure)


# -- at a bad moment ----------------------------------------------------------------------------------------


def test_every_beginning_of_a_journal_makes_a_report(searched, tmp_path: Path) -> None:
    whole = (searched[0] / "journal.jsonl").read_bytes()
    ends = [match.end() for match in re.finditer(b"\n", whole)]
    tried = [*ends[:6], *ends[6::9], *(end + 11 for end in ends[3::25])]  # whole lines, and lines cut short
    for size in tried:
        (tmp_path / "journal.jsonl").write_bytes(whole[:size])
        sections = sections_of(tmp_path)
        json.dumps(json_values({section.key: section.numbers for section in sections}), allow_nan=False)
        assert sections[0].numbers["state"] == ("complete" if size == ends[-1] else "broken off")
        assert all(section.text or section.tables or section.drawable for section in sections)


def test_every_beginning_of_the_finals_makes_a_report(searched, tmp_path: Path) -> None:
    (tmp_path / "finalists").mkdir()
    for name in ("journal.jsonl", "study.yaml"):
        (tmp_path / name).write_bytes((searched[0] / name).read_bytes())
    whole = (searched[0] / "finalists" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    decided = []
    for count in range(1, len(whole) + 1, 4):
        (tmp_path / "finalists" / "journal.jsonl").write_bytes(b"".join(whole[:count]))
        race = read_finalists(read_study_folder(tmp_path), read_study_folder(tmp_path / "finalists"))
        numbers = next(search_sections(read_study_folder(tmp_path), race)).numbers
        decided.append(race is not None and race.verdict is not None)
        assert (numbers["best"]["certainty"] == ONE_RUN) == (not decided[-1])
    assert decided == sorted(decided)
    assert decided[-1]


def test_a_running_search_says_so(searched, tmp_path: Path) -> None:
    lines = (searched[0] / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "journal.jsonl").write_bytes(b"".join(lines[:20]))
    with FileLock(tmp_path / ".lock"):
        assert sections_of(tmp_path)[0].numbers["state"] == "running"
    first = sections_of(tmp_path)[0]
    assert first.numbers["state"] == "broken off"
    assert "--resume" in first.text[0]


def test_an_interrupted_search_says_so(tmp_path: Path) -> None:
    folder = write_journal(tmp_path, toy_study(), [Run(DEFAULT, [0.5], None)], end=State.INTERRUPTED)
    numbers = make_report(folder).numbers["result"]
    assert (numbers["state"], numbers["trials"], numbers["best"]) == ("interrupted", {"interrupted": 1}, None)


def test_numbers_that_are_none_stay_out_of_the_json(tmp_path: Path) -> None:
    runs = [Run(DEFAULT, [0.5, float("nan")], State.FAILED, "dev/loss is nan at epoch 2")]
    html, numbers = write_report(write_journal(tmp_path, toy_study(), runs))
    content = json.loads(numbers.read_text(), parse_constant=_refuse)
    assert content["progress"]["curves"]["0"] == {"1": 0.5, "2": None}
    assert html.exists()


def test_a_folder_without_a_search_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no journal.jsonl" in said
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(StudyError, match="has no event yet"):
        read_study_folder(tmp_path)


def test_the_command_prints_both_files_and_refuses_another_ending(searched, tmp_path, capsys) -> None:
    folder = write_journal(tmp_path / "out", toy_study(), [])
    assert command(["report", str(folder)]) == 0
    assert capsys.readouterr().out.split() == [
        "written", str(folder / "report.html"), "written", str(folder / "report.json"),
    ]  # fmt: skip
    assert command(["report", str(searched[0])]) == 0
    client = MlflowClient(tracking_uri=store_uri(searched[0]))
    (study,) = client.search_runs(["1"], "tags.kind = 'study'")
    attached = [each.path for each in client.list_artifacts(study.info.run_id, "report")]
    assert attached == ["report/report.html", "report/report.json"]
    assert command(["report", str(folder), "--out", str(tmp_path / "a.pdf")]) == 2
    assert "must end with .html" in capsys.readouterr().err


# -- the trial's own sections -------------------------------------------------------------------------------


def told(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    monkeypatch.setattr(trial_sections, "TrialModule", lambda name: SimpleNamespace(report_sections=function))


def test_the_trial_s_module_sees_roles_and_checkpoints_and_adds_its_sections(searched, monkeypatch) -> None:
    seen: list[Any] = []

    def report_sections(study: dict[str, Any], trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend([study, trials])
        figure = {"title": "F", "reading": "Look here.", "x": "a", "y": "b", "points": 2, "draw": _line}
        table = {"columns": ["a"], "rows": [[EVIL]]}
        return [{"title": EVIL, "text": ["T"], "numbers": {"n": 1}, "figures": [figure], "tables": [table]}]

    told(monkeypatch, report_sections)
    made = make_report(searched[0])
    study, trials = seen
    assert study["name"] == "toy"
    roles = {trial["role"]: trial for trial in trials if trial["role"]}
    assert set(roles) == {"winner", "finalist", "baseline"}
    assert json.loads((roles["winner"]["folder"] / "epoch.json").read_text()) == 4
    assert roles["winner"]["config"]["epochs"] == 4
    assert all(trial["folder"] is None for trial in trials if not trial["role"])
    assert made.numbers["trial-script-alert-x-script"] == {"n": 1}
    assert list(made.numbers)[-1] == "advice"
    assert "<script" not in made.html


def _line(axes: Any) -> None:
    axes.plot([1, 2], [3, 4], color="C0")


def _broken(*arguments: Any) -> Any:
    raise ZeroDivisionError(f"no {EVIL}")


BAD_FIGURE = {"title": "F", "reading": "R.", "x": "a", "y": "b", "points": 2, "draw": _broken}


@pytest.mark.parametrize(
    "function",
    [
        _broken,
        lambda study, trials: 7,
        lambda study, trials: [{"heading": "unknown key"}],
        lambda study, trials: [{"title": "A", "figures": [BAD_FIGURE]}],
        lambda study, trials: [{"title": "A", "numbers": {1, 2}}],
        lambda study, trials: [{"title": "A b"}, {"title": "A-b"}],
    ],
    ids=["raises", "no list", "unknown key", "figure raises", "no JSON", "doubled"],
)
def test_an_error_of_the_trial_s_module_affects_only_its_section(tmp_path, monkeypatch, function) -> None:
    told(monkeypatch, function)
    made = make_report(write_journal(tmp_path, toy_study(epochs=1), [Run(DEFAULT, [0.5])]))
    assert trial_sections.FAILED in made.html
    assert "<script" not in made.html
    assert made.numbers["result"]["best"]["value"] == 0.5


def test_a_trial_that_cannot_be_imported_here_costs_its_section_only(tmp_path: Path) -> None:
    folder = write_journal(tmp_path, toy_study(trial="nowhere.at_all:run", epochs=1), [Run(DEFAULT, [0.5])])
    made = make_report(folder)
    assert "no module nowhere" in made.numbers["trial"]["error"]
