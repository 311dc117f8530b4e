"""The files in docker/ fit the schemas of Ray, Compose and Kubernetes, require a token, use loopback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from docker.utils.build import exclude_paths  # the docker client's own reading of .dockerignore
from setuptools import find_packages

ROOT = Path(__file__).parents[3]
FILES = ROOT / "docker"
CLUSTERS = ["cluster.yaml", "aws.yaml"]
# KubeRay's schema is 1 MB, most of it pods: its own fields by hand, from its reference; pods by Kubernetes'
RAY_JOB = {
    "entrypoint": str, "submissionMode": str, "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int, "backoffLimit": int, "rayClusterSpec": dict,
}  # fmt: skip
RAY_CLUSTER = {"rayVersion": str, "authOptions": dict, "headGroupSpec": dict, "workerGroupSpecs": list}
HEAD = {"rayStartParams": dict, "template": dict}
WORKER = {**HEAD, "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int}


def load(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text(encoding="utf-8"))


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CLUSTERS)
def test_ray_up_takes_the_file(name: str) -> None:
    code = (
        "import sys, yaml; from ray.autoscaler._private.util import prepare_config, validate_config; "
        "validate_config(prepare_config(yaml.safe_load(open(sys.argv[1]))))"
    )  # in a process of its own: Ray reads its environment on import
    done = subprocess.run(
        [sys.executable, "-c", code, FILES / name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_of_ray_up_asks_for_the_token_and_keeps_the_dashboard_to_itself(name: str) -> None:
    content = load(name)
    assert "~/.ray/auth_token" in content["file_mounts"]
    assert any("RAY_AUTH_MODE=token" in command for command in content["setup_commands"])
    starts = [each for each in content["head_start_ray_commands"] if "ray start" in each]
    assert len(starts) == 1
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "docker/.env" in content["rsync_exclude"]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_takes_the_file(name: str) -> None:
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(load(name), schema)


def test_compose_opens_ports_on_loopback_alone() -> None:
    ports = {
        name: each["ports"] for name, each in load("compose.yaml")["services"].items() if "ports" in each
    }
    assert ports == {"ray-head": ["127.0.0.1:8265:8265"], "mlflow": ["127.0.0.1:5000:5000"]}


def test_compose_waits_for_what_a_service_needs() -> None:
    services = load("compose.yaml")["services"]
    for name, service in services.items():
        assert ("healthcheck" in service) == (name != "buckets")  # which ends by itself
        for needed, how in service.get("depends_on", {}).items():
            ends = (
                "service_healthy" if "healthcheck" in services[needed] else "service_completed_successfully"
            )
            assert how == {"condition": ends}


def test_compose_holds_no_secret_and_names_every_variable() -> None:
    used = dict(re.findall(r"\$\{(\w+)(:[-?])?", text("compose.yaml")))
    example = dict(re.findall(r"^(\w+)=(.*)$", text(".env.example"), re.MULTILINE))
    assert used.keys() == example.keys()
    for name in ("RAY_AUTH_TOKEN", "POSTGRES_PASSWORD", "S3_SECRET_KEY"):
        assert (used[name], example[name]) == (":?", "")  # refused where it is empty
    for service in ("ray-head", "ray-worker"):
        assert load("compose.yaml")["services"][service]["environment"]["RAY_AUTH_MODE"] == "token"


def test_images_are_pinned() -> None:
    named = re.findall(r"image: (\S+)", text("compose.yaml") + text("aws.yaml") + text("rayjob.yaml"))
    bases = re.findall(r"^FROM (\S+)", text("Dockerfile"), re.MULTILINE)
    own = {"fsd-tuner:${DEVICE:-cpu}", "fsd-mlflow", "REGISTRY/fsd-tuner:cuda"}
    for image in set(named) - own:
        assert re.search(r":\S*\d+\.\d|:RELEASE\.\d{4}", image), image
    assert set(bases) == {"python:${PYTHON}", "${DEVICE}"}
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", text("Dockerfile"), re.MULTILINE)


def test_ray_has_one_version_in_every_file() -> None:
    installed = version("ray")
    assert f"rayproject/ray:{installed}-py311" in text("aws.yaml")
    assert f"rayVersion: {installed}\n" in text("rayjob.yaml")


def test_the_images_context_is_what_it_copies_and_little_else() -> None:
    patterns = [row for row in (ROOT / ".dockerignore").read_text().splitlines() if row and row[0] != "#"]
    context = {path for path in exclude_paths(str(ROOT), patterns) if (ROOT / path).is_file()}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    sources = {source for row in copied for source in row.split()}
    for source in sources:
        assert any(path == source or path.startswith(f"{source}/") for path in context), source
    assert {path.split("/")[0] for path in context} - {".dockerignore", "docker"} == sources - {
        "docker/requirements.py"
    }
    assert sum((ROOT / path).stat().st_size for path in context) < 30e6


def test_a_node_gets_what_the_project_requires() -> None:
    printed = subprocess.run(
        [sys.executable, FILES / "requirements.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert any(each.startswith("torch==") for each in printed)
    assert any(each.startswith("ray[default]") for each in printed)


def test_an_installation_has_every_package() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    found = set(find_packages(str(ROOT), include=patterns["include"]))
    there = {file.parent for top in ("fsd_model", "tuner") for file in (ROOT / top).rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in there} == found - {"search_spaces"}


def test_kubernetes_takes_the_pods_and_the_claim() -> None:
    claim, job = yaml.safe_load_all(text("rayjob.yaml"))
    cluster = job["spec"]["rayClusterSpec"]
    pods = [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    named = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
    for resource in (claim, *({**named, **pod} for pod in pods)):
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert container["resources"]["requests"] == container["resources"]["limits"]


def test_kuberay_knows_the_fields_and_makes_a_token() -> None:
    _, job = yaml.safe_load_all(text("rayjob.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    _fields(job["spec"], RAY_JOB)
    _fields(cluster, RAY_CLUSTER)
    _fields(cluster["headGroupSpec"], HEAD)
    for group in cluster["workerGroupSpecs"]:
        _fields(group, WORKER)
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    assert all(isinstance(value, str) for value in cluster["headGroupSpec"]["rayStartParams"].values())
    assert cluster["authOptions"] == {"mode": "token"}
    assert job["spec"]["submissionMode"] in ("K8sJobMode", "HTTPMode", "InteractiveMode")


def _fields(given: dict[str, Any], known: dict[str, type]) -> None:
    for name, value in given.items():
        assert isinstance(value, known[name]), name
