"""The page on custom networks: its code runs and its settings are read."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ruamel.yaml import YAML

from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.build import read_network
from fsd_model.networks.cut_table import cut_table

PAGE = (Path(__file__).parents[3] / "docs" / "networks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_example_runs_as_written(tmp_path, monkeypatch):
    (code,) = blocks("python")
    (tmp_path / "my_networks.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    named, with_options = (
        read_network(YAML(typ="safe").load(t)["settings"]["network"]) for t in blocks("yaml")
    )
    rows = cut_table(named, FeatureConfig())
    assert [row.module for row in rows] == ["low", "middle", "(output)"]
    assert [row.shape for row in rows] == [(32, 298), (32, 147), (64, 145)]
    assert [row.shape[0] for row in cut_table(with_options, FeatureConfig())] == [48, 48, 96]
