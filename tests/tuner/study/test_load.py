"""Study files: values are read exactly, and every error is one line with its place."""

# ruff: noqa: E501 - one wrong study and its message per line

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tuner.support.studies import toy_study
from tuner.errors import StudyError
from tuner.study.load import load_study
from tuner.study.yaml_file import dump, parse

STUDY = """\
name: demo
trial: tests.tuner.support.toy:run
epochs: 6
settings:
  data: {root: build/demo}
  rate: 1e-5
search:
  cuts: {cuts: {positions: 3, count: [1, 3]}}
  distill.temperature: {log: [1, 8]}
  batch: {int: [16, 64]}
  hard_on: {choice: [deepest, all]}
default: {cuts: [1, 2], distill.temperature: 3.0, batch: 32, hard_on: all}
metric: {name: dev/eer, mode: min}
scheduler: {name: asha, grace_period: 3, reduction_factor: 3}
trials: 24
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(STUDY)
    return path


def message(file: Path, *overrides: str) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(str(file), overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(str(file), "s.yaml")


def test_a_study_gives_a_trial_its_settings_point_and_epochs(file: Path) -> None:
    study = load_study(str(file))
    assert study.settings["rate"] == 1e-5
    assert study.default is not None
    assert study.config(study.default) == {
        "data": {"root": "build/demo"},
        "rate": 1e-5,
        "cuts": [1, 2],
        "distill": {"temperature": 3.0},
        "batch": 32,
        "hard_on": "all",
        "epochs": 6,
    }


def test_a_study_written_back_is_the_same_study(file: Path, tmp_path: Path) -> None:
    study = load_study(str(file))
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump(study.to_dict(), "two lines\nof comment"))
    assert load_study(str(copy)) == study


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("log: [1, 8]", "log: [0, 8]", "s.yaml:9: search.distill.temperature: log needs low > 0, got [0.0, 8.0]; "),
        ("[16, 64]", "[64, 16]", "s.yaml:10: search.batch: int needs low < high, got [64, 16]; "),
        ("[16, 64]", "[16, 64.5]", "s.yaml:10: search.batch: int needs [low, high], two whole numbers, got [16, 64.5]"),
        ("log: [1, 8]", "log: [true, 8]", "s.yaml:9: search.distill.temperature: log needs [low, high], two numbers"),
        ("{choice: [deepest, all]}", "{choise: [a, b]}", "s.yaml:11: search.hard_on: unknown kind `choise`; did you mean"),
        ("count: [1, 3]", "count: [1, 4]", "s.yaml:8: search.cuts: cuts needs 1 <= count[0] <= count[1] <= positions"),
        ("  batch:", "  distill:", "search.distill.temperature: collides with search.distill; search one of the two"),
        ("  batch:", "  rate.x:", "s.yaml:10: search.rate.x: leads into settings.rate, which is 1e-05 and no mapping"),
        ("  batch:", "  epochs:", "s.yaml:10: search.epochs: `epochs` is given by the study's own"),
        ("  batch:", "  a b:", "s.yaml:10: search.a b: needs names joined by dots"),
        ("epochs: 6", "epochs: 0", "s.yaml:3: epochs: input should be greater than or equal to 1, got 0"),
        ("epochs: 6", "epochs: true", "s.yaml:3: epochs: input should be a valid integer, got True"),
        ("epochs: 6", "epochs: .nan", "s.yaml:3: epochs: needs a finite number, got nan"),
        ("rate: 1e-5", "rate: -.inf", "s.yaml:6: settings.rate: needs a finite number, got -inf"),
        ("rate: 1e-5", "rate: !!python/name:os.system x", "s.yaml:6: settings.rate: "),
        ("rate: 1e-5", "rate: !secret x", "s.yaml:6: settings.rate: the tag !secret is not allowed"),
        ("rate: 1e-5", "data: 3", 's.yaml:6: not valid YAML: found duplicate key "data"'),
        ("rate: 1e-5", "rate: 2024-01-01", "s.yaml:6: settings.rate: date is not a plain value; put it in quotes"),
        ("rate: 1e-5", "rate: ${NOT_SET_AT_ALL}", "s.yaml:6: settings.rate: NOT_SET_AT_ALL is not set; export"),
        ("rate: 1e-5", "epochs: 3", "s.yaml:6: settings.epochs: is given by the study's own `epochs`"),
        ("rate: 1e-5", "1: 3", "settings: the key 1 is not text; put it in quotes"),
        ("trials: 24", "trails: 24", "s.yaml:15: trails: unknown key; did you mean `trials`?"),
        ("mode: min", "mod: min", "s.yaml:13: metric.mod: unknown key; did you mean `mode`?"),
        ("mode: min", "mode: low", "s.yaml:13: metric.mode: input should be 'min' or 'max', got 'low'"),
        ("metric: {name: dev/eer, mode: min}\n", "", "s.yaml:1: metric: is missing; add it"),
        ("grace_period: 3", "grace_period: 7", "s.yaml:14: scheduler.grace_period: needs at most the study's epochs, 6, got 7"),
        ("cuts: [1, 2]", "cuts: [2, 1]", "s.yaml:12: default.cuts: needs 1 to 3 increasing positions of 1..3, got [2, 1]"),
        ("batch: 32,", "", "s.yaml:12: default.batch: is missing; add a value"),
        ("batch: 32", "batch: 65", "s.yaml:12: default.batch: needs a whole number within [16, 64], got 65"),
        ("batch: 32", "bach: 32", "s.yaml:12: default.bach: is not searched; did you mean `batch`?"),
        ("tests.tuner.support.toy:run", "tests.tuner.support.toy", "s.yaml:2: trial: needs `package.module:function`, got"),
        ("trials: 24", "trials: 24\npoints: [{cuts: [1]}]", "s.yaml:16: points[0].distill.temperature: is missing; add a value"),
        ("[16, 64]}", "[16, 64], when: {hard: 1}}", "s.yaml:10: search.batch.when.hard: is not searched; did you mean `hard_on`?"),
        ("[16, 64]}", "[16, 64], when: {hard_on: all}}\n  x: {when: {}, int: [1, 2]}", "s.yaml:11: search.x: when needs another dimension's value"),
        ("hard_on: all}", "hard_on: all, x: 1}", "s.yaml:12: default.x: is not searched; there are: "),
        ("epochs: 6", "epochs: [6", "not valid YAML: "),
    ],
)  # fmt: skip
def test_a_wrong_study_is_one_line_with_place_rule_and_value(
    file: Path, old: str, new: str, expected: str
) -> None:
    assert old in STUDY
    file.write_text(STUDY.replace(old, new))
    assert expected in message(file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "s.yaml:1: the file is empty; "),
        ("# only a comment\n", "s.yaml:1: the file is empty; "),
        ("- 1\n- 2\n", "s.yaml:1: a study is a mapping of keys to values, got list"),
        ("a: &x [*x]\n", "s.yaml:1: "),
        ("a: 1\n---\nb: 2\n", "not valid YAML: expected a single document in the stream but found another"),
    ],
)
def test_a_file_that_is_no_study_is_one_line(file: Path, content: str, expected: str) -> None:
    file.write_text(content)
    assert expected in message(file)


def test_a_binary_or_missing_file_and_a_folder_are_one_line(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    assert "not a UTF-8 text file" in message(file)
    assert "No such file" in message(tmp_path / "none.yaml")
    assert "Is a directory" in message(Path(f"{tmp_path}/"))


def test_several_wrong_keys_are_a_line_each(file: Path) -> None:
    file.write_text(STUDY.replace("epochs: 6", "epochs: 0").replace("trials: 24", "trials: x"))
    with pytest.raises(StudyError) as caught:
        load_study(str(file))
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [f"{file}:3", f"{file}:15"]


def test_a_name_that_is_not_shipped_lists_the_shipped_ones() -> None:
    with pytest.raises(StudyError, match=r"no study `no-such`; .*or a path to a \.yaml file"):
        load_study("no-such")


def test_overrides_change_keys_and_are_named_in_errors(file: Path) -> None:
    study = load_study(
        str(file),
        ["trials=3", "settings.data.root=x", "settings.new.key=[1, 2]", "search.batch={int: [1, 64]}"],
    )
    assert study.trials == 3
    assert study.settings["data"] == {"root": "x"}
    assert study.settings["new"] == {"key": [1, 2]}
    assert study.search["batch"].ends() == [1, 64]
    assert message(file, "trials=0").startswith("--set trials=0: trials: input should be greater")
    assert message(file, "search.distill.temperature={log: [0, 1]}").startswith(
        "--set search.distill.temperature="
    )
    assert "unknown key; did you mean `trials`?" in message(file, "trails=3")
    assert "needs key=value" in message(file, "trials")


def test_variables_are_expanded_in_settings_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT_OF_ALL", "/corpora")
    file.write_text(STUDY.replace("build/demo", '"${ROOT_OF_ALL}/LA ${NOT_SET_AT_ALL:-none}"'))
    assert load_study(str(file)).settings["data"]["root"] == "/corpora/LA none"


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("scheduler.grace", "grace_period", "2"),
        ("scheduler.reduction", "reduction_factor", "2"),
        ("scheduler.agreement", "min_rank_correlation", "0.1"),
        ("scheduler.level", "alpha", "0.1"),
        ("finalists.level", "alpha", "0.1"),
    ],
)
def test_an_old_key_is_refused_with_its_new_name_in_a_file_and_in_set(
    file: Path, old: str, new: str, value: str
) -> None:
    rule = f"{old}: is now called `{new}`, got {value}; rename the key"
    assert message(file, f"{old}={value}") == f"--set {old}={value}: {rule}"
    part, key = old.split(".")
    lines = [line for line in STUDY.splitlines() if not line.startswith("scheduler:")]
    file.write_text("\n".join([*lines, f"{part}: {{{key}: {value}}}"]))
    assert message(file) == f"s.yaml:15: {rule}"


def test_the_old_name_of_early_discarding_is_refused_with_its_new_one(file: Path) -> None:
    rule = "scheduler.name: is now called `early-discarding`, got 'one-epoch'; rename it"
    assert message(file, "scheduler.name=one-epoch") == f"--set scheduler.name=one-epoch: {rule}"


def test_an_empty_search_is_one_trial(file: Path) -> None:
    one = toy_study(search={}, trials=1)
    assert one.config({}) == {"epochs": 4}
    with pytest.raises(ValueError, match="an empty search is one trial, got 2; set trials: 1"):
        toy_study(search={}, trials=2)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\x85"))
    | st.sampled_from(["1e-5", "on", "null", "~", "3", "2024-01-01", "a: b", "# c", "${X}", "0x1", "1_0", " x "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_-1", min_size=1), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)
@example({"a": ["?0", {"b": "? a"}, "?", "-0", "- a", ":0", "%a", "@a", "!a", "&a", "*a"]})
@given(st.dictionaries(st.sampled_from(["a", "b", "on", "1"]), plain, min_size=1))
def test_what_is_dumped_is_parsed_to_the_same_values_and_types(data: dict[str, Any]) -> None:
    assert repr(parse(dump(data), "t").data) == repr(data)


@settings(deadline=None)
@given(st.floats(min_value=5e-324, max_value=math.nextafter(math.inf, 0)))
def test_a_float_survives_a_file_to_the_last_bit(value: float) -> None:
    assert parse(dump({"v": value}), "t").data["v"] == value
