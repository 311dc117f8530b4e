"""`make bench`: every speed with a goal, measured beside its alternative; written to `results/<machine>.md`.

    python -m tests.bench                 all
    python -m tests.bench features step   some, only printed

Exits with 1 where one is below its gate, 70 % of its goal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path

from tests.bench.side_by_side import Row, table

BENCHES = (
    "features",
    "loader",
    "step",
    "whole_trial",
    "mlflow_calls",
    "metrics",
    "efficiency",
    "overhead",
    "stack",
)
RESULTS = Path(__file__).parent / "results"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AIR_NEW_OUTPUT": "0", "MLFLOW_DISABLE_TELEMETRY": "true",
    "OPTUNA_SHOW_WARNINGS": "0",
}  # fmt: skip


def processor() -> str:
    """Return the name of the processor and the number of cores available."""
    described = Path("/proc/cpuinfo")
    text = described.read_text() if described.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{' '.join(re.sub(r'[(](R|TM)[)]|CPU @.*', '', name).split())}, {os.cpu_count()} cores"


def measured(bench: str) -> list[Row]:
    """Run one benchmark in its own process; return its rows."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--one", bench],
        env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benches", nargs="*", choices=[*BENCHES, []], metavar="BENCH", help=" ".join(BENCHES))
    parser.add_argument("--one", choices=BENCHES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        rows = import_module(f"tests.bench.{given.one}").rows()
        print(json.dumps([row.to_dict() for row in rows]))
        return 0
    found, broken = list[Row](), list[str]()
    for bench in given.benches or BENCHES:
        try:
            rows = measured(bench)
        except subprocess.CalledProcessError:  # what was measured before and after it is kept
            broken.append(bench)
            continue
        print(f"## {bench}\n\n{table(rows)}", flush=True)
        found += rows
    if not given.benches:
        file = RESULTS / f"{re.sub('[^a-z0-9]+', '-', processor().lower())}.md"
        file.write_text(f"# Side by side\n\n`make bench`, {processor()}, {date.today()}.\n\n{table(found)}")
    if broken:
        print(f"broke off: {', '.join(broken)}", file=sys.stderr)
    return 0 if all(row.passes for row in found) and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
