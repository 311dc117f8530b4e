"""The public API: imports are lazy, a search from Python, its table, callables as trials."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.tuner.support import toy
from tests.tuner.support.studies import DEFAULT, quiet, toy_study
from tuner.trial_module import TrialModule, warn_of_misspelt_hooks

HEAVY = ("ray", "mlflow", "optuna", "pandas", "torch")
PUBLIC = (
    "Context", "SearchResult", "StackContext", "Study", "StudyError", "load_study", "open_study", "search",
)  # fmt: skip
STUDY = """
name: api
trial: tests.tuner.support.toy:run
epochs: 2
trials: 3
search: {x: {float: [0, 1]}, width: {int: [8, 64]}}
metric: {name: dev/loss, mode: min}
sampler: {name: random, seed: 1}
scheduler: {name: none}
"""


def fresh(code: str) -> str:
    """Run code in a fresh process and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(code: str) -> set[str]:
    """Return which heavy packages a piece of code imports."""
    last = f"{code}\nimport json, sys\nprint(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    return set(json.loads(fresh(last).splitlines()[-1]))


def test_import_is_light_and_quick() -> None:
    assert imported("import tuner") == set()
    began = time.perf_counter()
    fresh("import tuner")
    empty = time.perf_counter()
    fresh("pass")
    assert (empty - began) - (time.perf_counter() - empty) < 0.5


def test_every_public_name_is_there_and_imports_no_framework() -> None:
    assert imported(f"import tuner\nfor n in {PUBLIC!r}: getattr(tuner, n)") == set()
    assert set(PUBLIC) <= set(tuner.__all__) <= set(dir(tuner))
    assert callable(tuner.search)
    assert tuner.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        tuner.serch  # noqa: B018


def test_a_name_stays_itself_after_its_packages_are_imported() -> None:
    code = "import tuner\ntuner.search, tuner.load_study\nimport tuner.workflows.search, tuner.study.study\n"
    assert fresh(f"{code}print(callable(tuner.search), tuner.Study.__name__)").split() == ["True", "Study"]


def test_a_local_search_from_python(tmp_path: Path) -> None:
    file, out = tmp_path / "api.yaml", tmp_path / "out"
    file.write_text(STUDY)
    result = tuner.search(tuner.load_study(file), str(out), quiet(), local=True)
    assert result.best is not None
    assert set(result.best.params) == {"x", "width"}
    table = result.to_dataframe()
    assert list(table["number"]) == [0, 1, 2]
    assert table["value"].min() == result.best.value
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        "number": "int64", "state": "category", "value": "float64", "params.x": "float64",
        "params.width": "int64", "metrics.dev/loss": "float64", "epochs": "int64", "seconds": "float64",
        "reason": str(table["reason"].dtype),
    } | {name: "float64" for name in table.columns if name.startswith("metrics.")}  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    opened = tuner.open_study(out)
    assert opened.to_dataframe().equals(table)
    assert opened.best is not None
    assert opened.best.number == result.best.number
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    more = tuner.search(tuner.load_study(file, ["trials=4"]), out, quiet(), resume=True, local=True)
    assert len(more.trials) == 4


def test_a_running_study_opens_and_is_not_disturbed(tmp_path: Path) -> None:
    states = []

    def look(*_: Any) -> None:
        states.append(tuner.open_study(tmp_path / "out").state)

    study = toy_study(trials=2, epochs=2, scheduler={"name": "none"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.workflows.stage.Progress.on_event", lambda self, event: look())
        tuner.search(study, tmp_path / "out", quiet(), local=True)
    assert set(states[:-1]) == {"running"}
    assert states[-1] == "complete"


def test_a_local_search_imports_no_ray(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(STUDY)
    file, out = str(tmp_path / "api.yaml"), str(tmp_path / "out")
    code = f"import tuner\ntuner.search(tuner.load_study({file!r}), {out!r}, local=True)"
    assert "ray" not in imported(code)


def test_a_table_has_nullable_columns_where_a_dimension_was_inactive(tmp_path: Path) -> None:
    search = {"kind": {"choice": ["a", "b"]}, "n": {"int": [1, 9], "when": {"kind": "a"}}}
    study = toy_study(trials=12, search=search, epochs=1, scheduler={"name": "none"}, settings=DEFAULT)
    table = tuner.search(study, tmp_path / "out", quiet(), local=True).to_dataframe()
    assert str(table["params.n"].dtype) == "Int64"
    assert 0 < table["params.n"].isna().sum() < 12


def test_a_module_level_function_is_kept_by_name(tmp_path: Path) -> None:
    study = toy_study()
    assert tuner.Study.model_validate(study.to_dict() | {"trial": toy.run}).trial == study.trial
    file = tmp_path / "api.yaml"
    file.write_text(STUDY.replace("trial: tests.tuner.support.toy:run\n", ""))
    assert tuner.load_study(file, trial=toy.run).trial == study.trial


def _main() -> None:
    """A function that seems to be of the running script."""


@pytest.mark.parametrize(
    ("trial", "part"),
    [
        (lambda config, context: None, "lambda"),
        (partial(toy.run), "pickled by name"),
        (_main, "running script"),
    ],
)  # fmt: skip
def test_a_function_that_no_worker_can_import_is_refused(
    trial: Any, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_main, "__module__", "__main__")
    file = tmp_path / "api.yaml"
    file.write_text(STUDY)
    with pytest.raises(tuner.StudyError, match=part) as caught:
        tuner.load_study(file, trial=trial)
    assert "\n" not in str(caught.value)
    assert "import it from there" in str(caught.value)


def test_a_misspelt_hook_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = ("run(config, context)", "discribe(config)", "other()", "cost(config)")
    text = "".join(f"def {head}: ...\n" for head in heads)
    (tmp_path / "misspelt_trial.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        warn_of_misspelt_hooks(TrialModule("misspelt_trial:run"))
    assert capsys.readouterr().err.count("\n") == 1
    warn_of_misspelt_hooks(TrialModule("misspelt_trial:run"))
    assert TrialModule("misspelt_trial:run").cost is not None
    with pytest.raises(tuner.StudyError, match="has no `arms`, which an ablation needs"):
        TrialModule("misspelt_trial:run").require("arms", "an ablation needs")
