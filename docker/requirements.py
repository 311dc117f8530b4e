"""Print the requirements of a cluster node from pyproject.toml in this folder, one per line."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["cluster"], sep="\n")
