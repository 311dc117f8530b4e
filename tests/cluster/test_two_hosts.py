"""`ray up`, `fsd-tuner submit --cluster`, and one of two hosts without power in the middle of the search."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.cluster.hosts import ROOT, Hosts, missing, two_hosts
from tuner.study.yaml_file import dump, parse
from tuner.tracking.address import store_uri

pytestmark = pytest.mark.cluster
TRIALS, EPOCHS = 4, 3


@dataclass(frozen=True)
class Search:
    """Two hosts, a cluster on them, and a search that waits after the first epochs for the file `go`."""

    hosts: Hosts
    cluster: Path
    shared: Path

    @property
    def out(self) -> Path:
        return self.shared / "out"

    def up(self) -> None:
        _finished(self.hosts.client("ray", "up", "--yes", str(self.cluster)), 180)

    def submit(self, *more: str) -> subprocess.Popen[str]:
        where = ("--cluster", str(self.cluster), "--out", str(self.out))
        return self.hosts.client(
            "python", "-m", "tuner", "submit", str(self.shared / "s.yaml"), *where, *more
        )

    def events(self) -> list[dict[str, Any]]:
        return _lines(self.out / "journal.jsonl")

    def computed(self) -> list[dict[str, Any]]:
        return _lines(self.shared / "computed.jsonl")

    def runs(self) -> Counter[str]:
        """How many MLflow runs of trials have which status."""
        client = MlflowClient(tracking_uri=store_uri(self.out))
        return Counter(run.info.status for run in client.search_runs(["1"], "tags.kind = 'trial'"))

    def wait_for_both_hosts(self, driver: subprocess.Popen[str]) -> None:
        """A trial on each host has reported its first epoch."""
        both = {self.hosts.head.name, self.hosts.worker.name}
        _wait(driver, lambda: {each["host"] for each in self.computed()} == both)
        _wait(driver, lambda: sum(each["event"] == "trial_reported" for each in self.events()) == 2)


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Search]:
    if missing():
        pytest.fail(missing())  # whoever asks for this group wants it to run
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "s.yaml").write_text(dump(_study(shared)))
    with two_hosts(tmp_path) as hosts:
        made = Search(hosts, _cluster_file(hosts), shared)
        made.up()
        yield made


def test_a_search_survives_the_loss_of_a_host(search: Search) -> None:
    hosts = search.hosts
    stranger = hosts.client("env", "RAY_AUTH_MODE=disabled", *_look(hosts))  # is refused after half a minute
    with search.submit() as driver:
        search.wait_for_both_hosts(driver)
        hosts.worker.pull_the_plug()
        (search.shared / "go").touch()
        assert "best        trial" in _finished(driver, 240)
    _nothing_lost(search.events())
    assert [each["event"] for each in search.events()].count("trial_retried") == 1
    assert [each["epoch"] for each in search.computed() if each["host"] == hosts.worker.name] == [1]
    _computed_once(search.computed())
    assert search.runs() == {"FINISHED": TRIALS}

    again = search.submit()  # a folder that is taken: a search's failure is the command's failure
    assert "holds a study already" in again.communicate(timeout=60)[0]
    assert again.returncode != 0
    assert hosts.client("env", "RAY_AUTH_MODE=token", *_look(hosts)).wait(60) == 0
    assert stranger.wait(60) != 0


def test_a_search_goes_on_after_the_loss_of_the_head(search: Search) -> None:
    with search.submit() as driver:
        search.wait_for_both_hosts(driver)
        search.hosts.head.pull_the_plug()  # the driver was there, too
        driver.communicate(timeout=120)
        assert driver.returncode != 0
    search.hosts.head.switch_on()
    search.up()
    (search.shared / "go").touch()
    assert "best        trial" in _finished(search.submit("--resume"), 240)
    _nothing_lost(search.events())
    # an orphan on the other host may compute on for a while; nobody hears it
    assert [each["epoch"] for each in search.computed()].count(1) == TRIALS
    assert search.runs() == {"FINISHED": TRIALS}


def _look(hosts: Hosts) -> tuple[str, ...]:
    return ("ray", "health-check", "--address", f"{hosts.head.address}:6379")


def _nothing_lost(events: list[dict[str, Any]]) -> None:
    """Every trial and epoch is there, and each is there once."""
    told = Counter((each["event"], each.get("trial"), each.get("epoch")) for each in events)
    for trial in range(TRIALS):
        assert told["trial_started", trial, None] == 1
        for epoch in range(1, EPOCHS + 1):
            assert told["trial_reported", trial, epoch] == 1
    ended = {each["trial"]: each["state"] for each in events if each["event"] == "trial_ended"}
    assert ended == dict.fromkeys(range(TRIALS), "complete")
    assert events[-1]["state"] == "complete"


def _computed_once(computed: list[dict[str, Any]]) -> None:
    """What had been reported was not computed again: trials went on from their checkpoints."""
    assert max(Counter((each["x"], each["epoch"]) for each in computed).values()) == 1
    assert len(computed) == TRIALS * EPOCHS


def _study(shared: Path) -> dict[str, Any]:
    return {
        "name": "two-hosts", "trial": "tests.cluster.trial:run", "epochs": EPOCHS,
        "settings": {"folder": str(shared)}, "search": {"x": {"float": [0, 1]}},
        "metric": {"name": "loss", "mode": "min"}, "sampler": {"name": "random", "seed": 1},
        "scheduler": {"name": "none"}, "trials": TRIALS,
    }  # fmt: skip


def _cluster_file(hosts: Hosts) -> Path:
    """The shipped file with these hosts in it, and the test's installation in the place of a new one."""
    shipped = ROOT / "docker" / "cluster.yaml"
    content = parse(shipped.read_text(encoding="utf-8"), str(shipped)).data
    content["provider"] |= {"head_ip": hosts.head.address, "worker_ips": [hosts.worker.address]}
    content |= {"max_workers": 1, "auth": {"ssh_user": "root", "ssh_private_key": str(hosts.folder / "user")}}
    content["setup_commands"] = [each for each in content["setup_commands"] if "venv" not in each]
    for key, host in (("head_start_ray_commands", hosts.head), ("worker_start_ray_commands", hosts.worker)):
        small = f"ray start --num-cpus=1 --object-store-memory=100000000 --node-ip-address={host.address}"
        content[key] = [each.replace("ray start", small) for each in content[key]]
    file = hosts.folder / "cluster.yaml"
    file.write_text(dump(content))
    return file


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in file.read_text().splitlines()] if file.exists() else []


def _wait(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the search did not come that far"
        time.sleep(0.1)


def _finished(process: subprocess.Popen[str], seconds: float) -> str:
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    return output
