"""Hosts on one machine: each a network, process and mount namespace with its own sshd, home and /tmp/ray."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NET = "10.77.0"
_BRIDGE, _CLIENT = "fsd-test-bridge", "fsd-test-client"
_DAEMON = """
mount --make-rprivate /
mount -t tmpfs tmpfs /dev/shm
mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray
mount --bind {folder}/passwd /etc/passwd
hostname {name}
exec /usr/sbin/sshd -D -e -f {folder}/sshd_config
"""
_NAMESPACES = ("unshare", "--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc")
_SSHD = """
ListenAddress {address}
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
"""
_PROFILE = """
export PATH={programs}:$PATH PYTHONPATH={root} RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
"""


class Host:
    """A host that is switched on: its files stay when its power is lost, its processes and memory do not.

    Args:
        folder: holds the host's own folder.
        name: also of its network namespace.
        address: in the hosts' network.
    """

    def __init__(self, folder: Path, name: str, address: str) -> None:
        self._own, self.name, self.address = folder / name, name, address
        (self._own / "home").mkdir(parents=True)
        users = f"root:x:0:0:root:{self._own}/home:/bin/bash\nsshd:x:104:65534::/run/sshd:/bin/false\n"
        (self._own / "passwd").write_text(users)
        (self._own / "sshd_config").write_text(_SSHD.format(address=address, keys=folder))
        profile = _PROFILE.format(programs=folder / "programs", root=ROOT)
        (self._own / "home" / ".bash_profile").write_text(profile)
        self.switch_on()

    def switch_on(self) -> None:
        """Start it, and wait until it can be reached."""
        log = self._own / "sshd.log"
        script = _DAEMON.format(folder=self._own, name=self.name)
        with log.open("wb") as output:
            self._first = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *_NAMESPACES, "bash", "-ec", script],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while b"Server listening" not in log.read_bytes():
            assert self._first.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "sshd did not start"
            time.sleep(0.05)

    def pull_the_plug(self) -> None:
        """As a power loss: every process of the host is gone at once."""
        self._first.kill()  # the others are in its process namespace
        self._first.wait()


@dataclass(frozen=True)
class Hosts:
    """Two hosts and a machine that reaches them, whose home holds the key and the token."""

    head: Host
    worker: Host
    folder: Path

    def client(self, *command: str) -> subprocess.Popen[str]:
        """A command on the third machine, its output in one pipe."""
        home, programs = self.folder / "client", self.folder / "programs"
        environment = {
            "HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "TERM": "dumb", "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip
        return subprocess.Popen(
            ["ip", "netns", "exec", _CLIENT, *command], env=environment, cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Set up, and take down whatever happened.

    Args:
        folder: for keys, homes and logs; the hosts see it under the same path.
    """
    names = {"fsd-test-head": f"{NET}.1", "fsd-test-worker": f"{NET}.2", _CLIENT: f"{NET}.3"}
    _keys(folder)
    _programs(folder / "programs")
    Path("/run/sshd").mkdir(exist_ok=True)
    _take_down([*names, _BRIDGE])  # what a killed run left
    started: list[Host] = []
    try:
        _network(names)
        for name, address in names.items():
            if name != _CLIENT:
                started.append(Host(folder, name, address))
        yield Hosts(*started, folder)
    finally:
        for host in started:
            host.pull_the_plug()
        _take_down([*names, _BRIDGE])


def _network(names: dict[str, str]) -> None:
    _run("ip", "netns", "add", _BRIDGE)
    _run("ip", "-n", _BRIDGE, "link", "add", "bridge", "type", "bridge")
    _run("ip", "-n", _BRIDGE, "link", "set", "bridge", "up")
    for i, (name, address) in enumerate(names.items()):
        _run("ip", "netns", "add", name)
        ends = ("eth0", "netns", name, "type", "veth", "peer", "name", f"port{i}", "netns", _BRIDGE)
        _run("ip", "link", "add", *ends)
        _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _run("ip", "-n", name, "link", "set", link, "up")
        _run("ip", "-n", _BRIDGE, "link", "set", f"port{i}", "master", "bridge", "up")


def _keys(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "client" / ".ray").mkdir(parents=True)
    (folder / "client" / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    for name in ("host", "user"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))


def _programs(folder: Path) -> None:
    """`ray` and `python` of the installation that runs the test."""
    folder.mkdir()
    for name, arguments in (("python", ""), ("ray", "-m ray.scripts.scripts")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (folder / name).chmod(0o755)


def _take_down(names: list[str]) -> None:
    for name in names:
        with suppress(subprocess.CalledProcessError):
            _run("ip", "netns", "del", name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def missing() -> str:
    """Why hosts cannot be made here, or ""."""
    if os.getuid() != 0:
        return "needs root: it makes network namespaces"
    programs = [
        each for each in ("ip", "unshare", "/usr/sbin/sshd", "rsync", "ssh") if not shutil.which(each)
    ]
    return f"needs {', '.join(programs)}" if programs else ""
