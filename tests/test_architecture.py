"""The layout of the source tree: imports go one way, frameworks stay at the border, files stay small.

The rules are in `tests/support/house_rules.py`. Each is checked on this tree and on one that breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.house_rules import ALLOWED, LAYERS, ONLY_IN, RULES, file_circles
from tests.support.house_sizes import measure, table
from tests.support.import_graph import SourceTree, circles, longest_chain

ROOT = Path(__file__).parents[1]
TREE = SourceTree(ROOT)
Rule = Callable[[SourceTree], Iterator[str]]

SOUND = {
    "fsd_model/__init__.py": '"""A half: errors."""',
    "fsd_model/errors.py": "",
    "fsd_model/data/__init__.py": '"""Data: audio."""',
    "fsd_model/data/audio.py": "from fsd_model.errors import InputError\nimport torch",
    "tuner/__init__.py": '"""The other half: errors."""',
    "tuner/errors.py": "",
    "tuner/space/__init__.py": '"""Space: space, cuts."""',
    "tuner/space/space.py": "import tuner.errors",
    "tuner/space/cuts.py": "from tuner.space.space import SearchSpace",
    "tuner/space/deep/__init__.py": '"""Deeper: leaf."""',
    "tuner/space/deep/leaf.py": "",
    "tests/tuner/space/test_space.py": "",
    "tests/tuner/test_errors.py": "",
}
"""A small tree that breaks no rule."""

LONG_FUNCTION = "def long():\n" + "    pass\n" * 46
TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tuner.space.cuts import Cuts"
LAZY_NAMES = '"""Data."""\n_LAZY = {"run": "fsd_model.trial"}'
PLANTED: list[tuple[str, dict[str, str], str]] = [
    ("layering", {"fsd_model/errors.py": "from fsd_model.data import audio"}, "fsd_model.errors imports"),
    ("layering", {"tuner/errors.py": "def f():\n    import tuner.space.cuts"}, "tuner.errors imports"),
    ("layering", {"tuner/space/cuts.py": "import tuner"}, "tuner.space.cuts imports tuner,"),
    (
        "layering",
        {"tuner/space/__init__.py": "import tuner.study", "tuner/study/__init__.py": ""},
        "space imp",
    ),
    ("layering", {"fsd_model/data/__init__.py": LAZY_NAMES, "fsd_model/trial/__init__.py": ""}, "trial"),
    ("layering", {"tuner/new/thing.py": ""}, "tuner.new: has no row"),
    (
        "file_circles",
        {"tuner/space/space.py": "from tuner.space import cuts"},
        "tuner.space.cuts, tuner.space.s",
    ),
    ("file_circles", {"tuner/space/space.py": TYPE_ONLY}, "tuner.space.cuts, tuner.space.space"),
    ("package_circles", {"tuner/errors.py": "import tuner.space.space"}, "tuner.errors, tuner.space"),
    ("frameworks", {"tuner/space/cuts.py": "import torch.nn"}, "tuner/space/cuts.py imports torch"),
    ("frameworks", {"tuner/space/cuts.py": "from fsd_model import errors"}, "cuts.py imports fsd_model"),
    ("frameworks", {"tuner/space/cuts.py": "import_module('ray.tune')"}, "cuts.py imports ray"),
    ("frameworks", {"fsd_model/errors.py": "import tuner"}, "fsd_model/errors.py imports tuner"),
    ("frameworks", {"fsd_model/data/audio.py": "def f():\n    import mlflow"}, "imports mlflow"),
    (
        "one_way",
        {
            "fsd_model/data/audio.py": "from fsd_model.evaluation.eval_split import read",
            "fsd_model/evaluation/eval_split.py": "",
        },
        "fsd_model.data.audio imports fsd_model.evaluation.eval_split",
    ),
    (
        "one_way",
        {
            "tuner/space/cuts.py": "import tuner.execution.stacking.driver",
            "tuner/execution/stacking/driver.py": "",
        },
        "tuner.space.cuts imports tuner.execution.stacking",
    ),
    ("root_files", {f"tuner/file{number}.py": "" for number in range(9)}, "tuner: 11 files at its root"),
    ("front_doors", {"tuner/space/__init__.py": ""}, "tuner/space: no docstring"),
    ("front_doors", {"tuner/space/__init__.py": '"""Space: cuts."""'}, "does not name space"),
    ("mirrored_tests", {"tests/tuner/spaces/test_space.py": ""}, "tuner/spaces is no package"),
    ("mirrored_tests", {"tests/tuner/test_nothing.py": ""}, "tuner/nothing.py does not exist"),
    ("sizes", {"tuner/errors.py": "\n" * 251}, "tuner/errors.py: has 251 lines"),
    ("sizes", {"tests/tuner/test_errors.py": "\n" * 501}, "tests/tuner/test_errors.py: has 501 lines"),
    ("sizes", {"tuner/errors.py": LONG_FUNCTION}, "tuner/errors.py: long has 47 lines"),
]
"""Rule, files that break it, and a part of what the rule says."""


def plant(root: Path, files: dict[str, str]) -> SourceTree:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return SourceTree(root)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    assert [line for line in rule(TREE) if not line.startswith(tuple(ALLOWED))] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_tree_breaks_no_rule(rule: Rule, tmp_path: Path) -> None:
    assert list(rule(plant(tmp_path, SOUND))) == []


@pytest.mark.parametrize(("name", "files", "part"), PLANTED)
def test_a_planted_fault_breaks_the_rule(name: str, files: dict[str, str], part: str, tmp_path: Path) -> None:
    rule = {each.__name__: each for each in RULES}[name]
    assert part in "\n".join(rule(plant(tmp_path, SOUND | files)))


def test_each_rule_has_a_planted_fault() -> None:
    assert {name for name, _, _ in PLANTED} == {rule.__name__ for rule in RULES}


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cuts\.py:1: relative import"):
        list(file_circles(plant(tmp_path, SOUND | {"tuner/space/cuts.py": "from . import space"})))


@pytest.mark.parametrize("half", LAYERS)
def test_the_rows_name_what_exists(half: str) -> None:
    names = [name for row in LAYERS[half] for name in row]
    assert len(names) == len(set(names))
    assert [name for name in names if not any((ROOT / half).glob(f"{name}*"))] == []


@pytest.mark.parametrize("package", [package for package, files in ONLY_IN.items() if files])
def test_a_framework_is_found_where_it_may_be(package: str) -> None:
    """Otherwise the rule looks for a name that nothing imports, and would not see it elsewhere either."""
    assert any(package in TREE.external(name) for name in TREE.files)


def test_circles_and_chains_of_a_graph() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a", "d"}}
    assert circles(graph) == [["b", "c"]]
    assert longest_chain(graph) == 5  # e, a, both of the circle, d


def test_the_sizes_of_a_tree(tmp_path: Path) -> None:
    tree = plant(tmp_path, SOUND | {"tuner/errors.py": "x = 1  # why\ny = 2  # noqa: E501\n# alone\n"})
    sizes = measure(tree)
    assert (sizes["tuner"]["lines"], sizes["tuner"]["files at the root"]) == (3, 2)
    assert sizes["tuner"]["comments per 1,000 lines"] == pytest.approx(2 / 3 * 1000)
    assert sizes["tuner"]["longest import chain"] == 3
    assert sizes["tests"] == {"lines": 0}
    assert "| lines |" in table({"here": sizes})
