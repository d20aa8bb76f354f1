"""What a deployment is made from: Dockerfile, compose.yaml and deploy, as far as it can be tried
without a container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PORT = 8000
"""Where the service listens in its container."""
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
PAGE = (ROOT / "docs" / "deployment.md").read_text()
ENGINE = """\
#!{python}
'''Stands for docker: what would run in the service's container runs here, the rest not at all.'''
import subprocess, sys

compose, command, *rest = sys.argv[1:]
assert compose == "compose", sys.argv
print(command, *rest, file=open("asked", "a"))
assert command in ("build", "up", "run"), command
if command == "run":
    while rest[0].startswith("-"):
        rest.pop(0)
    service, *arguments = rest
    assert service == "serve", service
    sys.exit(subprocess.run([sys.executable, "-m", "facenet", *arguments]).returncode)
"""


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each with its arguments."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    ]
    whole = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in whole if line)]


def arguments_of(name: str) -> str:
    [found] = [rest for each, rest in instructions() if each == name]
    return found


def listed(name: str) -> list[str]:
    """The arguments of an instruction that has them as a list."""
    arguments: list[str] = json.loads(arguments_of(name)[arguments_of(name).index("[") :])
    return arguments


def copied() -> list[str]:
    """What comes from the repository into the image."""
    sources: list[str] = []
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            sources += shlex.split(rest)[:-1]
    return sources


def is_ignored(path: str) -> bool:
    """As Docker reads .dockerignore, the last pattern that fits decides: here without folders in
    patterns, except for a leading `**/`."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().split():
        pattern = line.lstrip("!")
        assert "/" not in pattern.removeprefix("**/"), "this test reads no such pattern"
        tops = [path.partition("/")[0]]
        parts = path.split("/") if pattern.startswith("**/") else tops
        if any(fnmatch(part, pattern.removeprefix("**/")) for part in parts):
            ignored = not line.startswith("!")
    return ignored


def test_the_dockerfile_is_well_formed() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed")
    ran = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_what_the_image_takes_is_there_and_not_ignored() -> None:
    assert "core" in copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not is_ignored(source), source


@pytest.mark.parametrize(
    "path", [".git", ".venv", "artifacts", ".env", "deploy", "tests", "shared"]
)
def test_what_the_image_needs_not_is_not_sent(path: str) -> None:
    assert is_ignored(path)
    assert is_ignored("core/facenet/__pycache__")


def test_the_extras_of_the_image_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = [re.search(r'"\.\[(\S+)\]"', rest) for _, rest in instructions()]
    [extras] = [found[1].split(",") for found in installed if found]
    assert {"serve", "pgvector"} <= set(extras) <= set(project["optional-dependencies"])


def test_the_package_builds_from_what_is_sent(tmp_path: Path) -> None:
    for source in copied():
        if (ROOT / source).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, tmp_path / source, ignore=skip)
        else:
            shutil.copy(ROOT / source, tmp_path)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    ran = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list((tmp_path / "dist").glob("facenet_kit-*.whl"))


def test_the_images_command_is_one_of_facenet() -> None:
    assert listed("ENTRYPOINT") == ["facenet"]
    command = [sys.executable, "-m", "facenet", *listed("CMD"), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert arguments_of("EXPOSE") == str(PORT)


def test_the_image_runs_as_nobody_special() -> None:
    user = arguments_of("USER")
    assert int(user) > 0
    assert f"--uid {user}" in " ".join(rest for name, rest in instructions() if name == "RUN")


def test_what_is_mounted_is_there_or_is_made_by_hand() -> None:
    """What the repository does not have, docs/deployment.md says how to make."""
    paths = [secret["file"] for secret in COMPOSE["secrets"].values()]
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            # ${NAME:-default}:/in/the/container:ro
            source = re.match(r"(\$\{[^}]*\}|[^:]*):", volume)
            assert source is not None
            if source[1].startswith((".", "$")):
                paths.append(source[1])
            else:
                assert source[1] in COMPOSE["volumes"]
    assert len(paths) == 4
    for path in paths:
        default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path)
        assert (ROOT / default).exists() or default.removeprefix("./") in PAGE, path


def test_every_variable_that_is_asked_for_is_explained() -> None:
    names = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert "FACENET_DB_PASSWORD" in names
    assert [name for name in names if name not in PAGE] == []


def test_services_that_are_waited_for_say_when_they_are_ready() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        waited = service.get("depends_on", {})
        for name, how in waited.items() if isinstance(waited, dict) else ():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_a_stop_waits_longer_than_the_service_does() -> None:
    server = pytest.importorskip("facenet_serve.server", reason="needs facenet-kit[serve]")
    assert int(COMPOSE["services"]["serve"]["stop_grace_period"].rstrip("s")) > server.GRACE


def test_the_configuration_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    from facenet.config import load_config

    monkeypatch.setenv("FACENET_DB_PASSWORD", "blue horse")
    config = load_config(ROOT / "deploy" / "inference.yaml")
    assert config.frontends["serve"]["port"] == PORT
    options: dict[str, Any] = config.store.options
    assert options["host"] in COMPOSE["services"]
    assert f"{options['name']}" == COMPOSE["services"]["database"]["environment"]["POSTGRES_DB"]
    mounts = [volume.split(":")[-2] for volume in _mounts_that_are_read()]
    assert f"/facenet/{config.checkpoint_path}" in mounts
    assert "/facenet/configs/inference.yaml" in mounts


def _mounts_that_are_read() -> list[str]:
    volumes: list[str] = COMPOSE["services"]["serve"]["volumes"]
    return [volume for volume in volumes if volume.endswith(":ro")]


def test_prometheus_asks_the_service_with_its_key() -> None:
    [job] = yaml.safe_load((ROOT / "deploy" / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"serve:{PORT}"]}]
    [secret] = COMPOSE["services"]["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert secret in COMPOSE["secrets"]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def service(trained: Path, tmp_path: Path, port: int) -> Iterator[int]:
    """A running one: its port."""
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    command = [sys.executable, "-m", "facenet", "serve", "--config", config, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "listening" in line, line + process.stderr.read()
        yield port
        process.terminate()


def healthy(port: int) -> bool:
    command = listed("HEALTHCHECK")
    assert command[0] == "python"
    assert str(PORT) in command[-1]
    program = [sys.executable, *command[1:-1], command[-1].replace(str(PORT), str(port))]
    return subprocess.run(program, capture_output=True, timeout=60).returncode == 0


def test_the_health_check_tells_life_from_death(port: int, service: int) -> None:
    assert healthy(service)


def test_the_health_check_finds_nobody_where_nobody_is(port: int) -> None:
    assert not healthy(port)


def test_the_steps_of_the_page_work(tmp_path: Path) -> None:
    """As far as they go without an engine: what they make is what is mounted."""
    folder = tmp_path / "keys"
    configuration = (ROOT / "deploy" / "inference.yaml").read_text()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "inference.yaml").write_text(
        configuration.replace("/facenet/keys", f"{folder}")
    )
    (tmp_path / "deploy" / "keys").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(ENGINE.format(python=sys.executable))
    (programs / "docker").chmod(0o755)
    (programs / "curl").symlink_to("/bin/true")
    steps = re.findall(r"^ *```console\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    script = "set -a\n" + steps[0] + ". ./.env\n" + "".join(steps[1:])
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"FACENET_DB_PASSWORD=\w{48}\n", (tmp_path / ".env").read_text())
    written = json.loads((folder / "keys.json").read_text())["keys"]
    assert [key["label"] for key in written] == ["prometheus", "the front door"]
    key = (tmp_path / "deploy" / "keys" / "prometheus").read_text()
    assert re.fullmatch(rf"facenet_{written[0]['id']}_[\w-]{{43}}\n", key)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["build", "run", "run", "up"]
