"""Prints what pyproject.toml in this folder requires of a cluster's node, one requirement a line."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["cluster"], sep="\n")
