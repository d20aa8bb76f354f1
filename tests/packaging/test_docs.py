"""The documentation does what it says: its code blocks run, its links lead somewhere."""

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
from pathlib import Path

import av
import numpy as np
import pytest

from facenet.cli import main

from .installing import pip_install

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CARE = ROOT / "docs" / "care.md"
DEPLOYMENT = ROOT / "docs" / "deployment.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README finds it: a clone in which the demo has run, at a small size."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["demo", "--identities", "24", "--samples", "5", "--epochs", "1"]) == 0
    finally:
        os.chdir(before)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # make would build an environment and run these tests again: it is asked what it would do.
    script = re.sub(r"^make ", "make -n ", script, flags=re.MULTILINE)
    script = script.replace("8000", str(free_port()))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


def output_of(folder: Path, *scripts: str) -> str:
    """What they print, one after the other; each must succeed."""
    output = ""
    for script in scripts:
        ran = shell(script, folder)
        assert ran.returncode == 0, script + ran.stdout + ran.stderr
        output += ran.stdout
    return output


def test_the_readmes_commands_work_in_their_order(workspace: Path) -> None:
    scripts = blocks(ROOT / "README.md", "bash")
    assert len(scripts) >= 6
    output = output_of(workspace, *scripts)
    assert '"match":true' in output
    assert "someone new: 1 sample erased" in output
    assert (workspace / "artifacts" / "model.ts").is_file()


def test_the_training_pages_commands_work_in_their_order(workspace: Path) -> None:
    output_of(workspace, *blocks(ROOT / "docs" / "training.md", "bash"))
    metrics = (workspace / "artifacts" / "first" / "metrics.csv").read_text()
    assert {line[0] for line in metrics.splitlines()[1:]} == set("012")
    assert (workspace / "artifacts" / "two" / "bundle" / "model.safetensors").is_file()


def test_the_evaluation_pages_commands_work(workspace: Path) -> None:
    faces = "--set data.root=artifacts/demo/faces --set trainer.max_epochs=1"
    pages = [ROOT / "docs" / name for name in ("evaluation.md", "thresholds.md")]
    *scripts, drift = [script for page in pages for script in blocks(page, "bash")]
    output_of(workspace, f"facenet train --replace {faces}", *scripts)
    assert "\nsearch: " in f"\n{output_of(workspace, drift)}"
    assert (workspace / "artifacts" / "report" / "index.html").is_file()


def test_the_benchmark_pages_commands_work_in_their_order(workspace: Path) -> None:
    output = output_of(workspace, *blocks(ROOT / "docs" / "benchmark.md", "bash"))
    assert "2 of 2 runs trained, 2 measured" in output
    assert "no difference shown" in output
    assert (workspace / "artifacts" / "benchmark" / "benchmark_report.html").is_file()


def test_the_data_pages_commands_align_and_train(
    workspace: Path, real_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    shutil.copy(real_models / "face_detection_yunet_2023mar.onnx", tmp_path / "models")
    output_of(workspace, *blocks(ROOT / "docs" / "data.md", "bash"))
    card = (workspace / "artifacts" / "train-aligned" / "bundle" / "config.json").read_text()
    assert '"alignment": "five-point"' in card


def test_the_recognition_page_does_what_it_says(workspace: Path) -> None:
    page = ROOT / "docs" / "recognition.md"
    said = [
        "Ann       ",
        "images added for 24 identities",
        "were held already",
        "alone; threshold",
    ]
    for script, words in zip(blocks(page, "bash"), said, strict=True):
        assert words in output_of(workspace, script)
    [code] = blocks(page, "python")
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=workspace, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("FaceMatches(identity=")


def test_the_quickstart_recognises_someone(
    workspace: Path, real_models: Path, foreign_network: Path, tmp_path: Path, monkeypatch
) -> None:
    """Another network stands for SFace, whose file is not here."""
    page = ROOT / "docs" / "quickstart.md"
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "models").mkdir(parents=True)
    shutil.copy(real_models / "face_detection_yunet_2023mar.onnx", tmp_path / "cache" / "models")
    faces = sorted((workspace / "artifacts" / "demo" / "faces").glob("id-*"))
    names = ["Ann", "Ben", *(folder.name for folder in faces[2:])]
    for folder, name in zip(faces, names, strict=True):
        shutil.copytree(folder, tmp_path / "photos" / name)
    (tmp_path / "photos" / "Ann" / "000.jpg").rename(tmp_path / "party.jpg")
    (tmp_path / "configs").mkdir()
    [settings] = blocks(page, "yaml")
    (tmp_path / "configs" / "photos.yaml").write_text(settings)
    [python] = blocks(page, "python")
    scripts = blocks(page, "bash")
    stand_in = scripts[0].replace("$(facenet models get sface)", str(foreign_network))
    scripts[0] = stand_in.replace("--mean 0 --std 1", "--mean 127.5 --std 127.5")
    scripts.insert(-1, f"python - <<'EOF'\n{python}EOF\n")
    output = output_of(tmp_path, *scripts)
    assert "this is Ann" in output
    assert "\nAnn (" in output
    assert (tmp_path / "artifacts" / "found.png").is_file()


@pytest.fixture
def service_keys(workspace: Path) -> Iterator[Path]:
    """Where the commands of a page leave keys: away with them, since other pages know of none."""
    path = workspace / "configs" / ".facenet" / "serve-keys.json"
    yield path
    path.unlink(missing_ok=True)


def test_the_service_pages_commands_work_in_their_order(
    workspace: Path, service_keys: Path
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs facenet-kit[tracing]")
    scripts = [*blocks(ROOT / "docs" / "service.md", "bash"), *blocks(DEPLOYMENT, "bash")]
    assert len(scripts) >= 6
    ran = shell("\n".join(scripts), workspace)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert service_keys.is_file()
    wanted = [
        '"status":"ready"',
        '"match":true',
        '"match":',
        '"identity":"Ann"',
        '"faces":[{"identity":',
        '"samples":1,"at":',
        "the front door",
        '{"identities":[',
        "# TYPE facenet_requests_total counter",
        '"status":"ready"',
    ]
    rest = ran.stdout
    for printed in wanted:
        assert printed in rest, (printed, ran.stdout, ran.stderr)
        rest = rest.partition(printed)[2]
    assert "urn:facenet:problem" not in ran.stdout
    assert "Traceback" not in ran.stderr


def test_the_service_pages_client_works(workspace: Path, service_keys: Path) -> None:
    [code] = blocks(ROOT / "docs" / "service.md", "python")
    (workspace / "client.py").write_text(code)
    script = """
        export FACENET_KEY=$(facenet serve keys add client --role admin)
        facenet serve --port 8000 &
        curl --silent --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:8000/healthz
        sed "s/:[8]000/:8000/" client.py > here.py  # which shell() makes another port
        status=0
        python here.py || status=$?
        kill %1; wait
        exit $status
        """
    output = output_of(workspace, script)
    assert "1 image added\nZoë / 2 ['Zoë / 2'" in output
    assert "1 sample erased" in output
    assert "image - An image cannot be used: image_b: not an image" in output


def test_the_configuration_pages_commands_work(workspace: Path) -> None:
    [script] = blocks(ROOT / "docs" / "configuration.md", "bash")
    assert "embedding_dim: 64" in output_of(workspace, script)
    json.loads((workspace / "artifacts" / "inference.schema.json").read_text())


def test_the_known_models_pages_commands_work(
    real_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    shutil.copy(real_models / "face_detection_yunet_2023mar.onnx", tmp_path / "models")
    [script] = blocks(ROOT / "docs" / "known-models.md", "bash")
    assert output_of(tmp_path, script).count("/models/face_detection_yunet_2023mar.onnx\n") == 2


def test_the_service_pages_tables_say_all() -> None:
    pytest.importorskip("prometheus_client", reason="needs facenet-kit[serve]")
    from facenet_serve import Options
    from facenet_serve.keys import ROLES
    from facenet_serve.metrics import Metrics
    from facenet_serve.problems import KINDS

    text = (ROOT / "docs" / "service.md").read_text() + DEPLOYMENT.read_text()
    rows = [
        tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    problems = {row[0]: (int(row[1]), row[2]) for row in rows if row[1].isdecimal() and row[2]}
    options = {row[0]: row[1] for row in rows if row[0] in Options.model_fields}
    problems = {kind: what for kind, what in problems.items() if kind not in options}
    assert problems == {kind: tuple(what) for kind, what in KINDS.items()}
    assert list(options) == list(Options.model_fields)
    defaults = {name: field.default for name, field in Options.model_fields.items()}
    assert options == {
        name: ""
        if value in (None, ())
        else str(value).lower()
        if value in (True, False)
        else f"{value}"
        for name, value in defaults.items()
    }
    types = re.findall(r"^# TYPE (\w+) (\w+)", Metrics().text().decode(), re.MULTILINE)
    assert [row[:2] for row in rows if row[0].startswith("facenet_")] == types
    assert {row[2] for row in rows if row[0].startswith(("POST", "DELETE"))} == set(ROLES)


def test_the_service_pages_addresses_are_all_there_are(trained: Path) -> None:
    pytest.importorskip("fastapi", reason="needs facenet-kit[serve]")
    from facenet import Recognizer
    from facenet_serve import Options
    from facenet_serve.app import make_app

    settings = {"device": "cpu", "store": "memory"}
    options = Options.model_validate({}, context={"config_dir": trained})
    with Recognizer.from_pretrained(trained / "bundle", **settings) as recognizer:
        paths = make_app(recognizer, options).openapi()["paths"]
    rows = (ROOT / "docs" / "service.md").read_text().splitlines()
    for path, methods in paths.items():
        for method, operation in methods.items():
            [row] = [row for row in rows if f"`{method.upper()} {path}`" in row]
            role = row.split(" | ")[-1].strip(" |`")
            needed = [list(each.values()) for each in operation.get("security", ())]
            assert needed == ([] if role == "none" else [[[role]], [[role]]])
            key = "no key" if role == "none" else f"a key of the role `{role}`"
            assert operation["description"].endswith(f"\n\nNeeds {key}.")


@pytest.mark.parametrize("page", ["recognition.md", "screens.md", "stores.md"])
def test_the_yaml_of_a_page_loads(page: str, tmp_path: Path) -> None:
    from facenet.config import load_config

    path = tmp_path / "inference.yaml"
    for text in blocks(ROOT / "docs" / page, "yaml"):
        path.write_text(f"checkpoint_path: x\n{text}")
        load_config(path)


def test_the_screens_pages_commands_work(workspace: Path) -> None:
    studio, live = blocks(ROOT / "docs" / "screens.md", "bash")
    write_clip(workspace / "clip.mp4")
    output_of(workspace, live)
    assert (workspace / "seen.mp4").is_file()
    events = [json.loads(line) for line in (workspace / "seen.jsonl").read_text().splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "ended"]
    command = [sys.executable, "-m", *shlex.split(studio), "--port", "0"]
    with subprocess.Popen(command, cwd=workspace, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("listening on http://127.0.0.1:") for line in lines)
        process.terminate()
        assert process.wait(60) == 0


def test_the_reliability_pages_proofs_run(workspace: Path) -> None:
    kills, load = blocks(ROOT / "docs" / "reliability.md", "bash")
    kills = kills.replace("--kills 200", "--kills 3")
    assert "acknowledged enrolments lost" in output_of(workspace, kills)
    load = load.replace("benchmarks/", f"{ROOT}/benchmarks/").replace("minutes 10", "minutes 0.4")
    assert " acknowledged, 0 lost" in output_of(workspace, load)


def test_the_stores_pages_commands_work_in_their_order(workspace: Path) -> None:
    page = ROOT / "docs" / "stores.md"
    output_of(workspace, "facenet populate --data artifacts/demo/faces")
    output = output_of(workspace, *blocks(page, "bash"))
    assert not set(re.findall(r"running +\w+", output)) - {"running   no", "running   yes"}
    for printed in ("restored to embedded PostgreSQL", "0 findings, 0 open", "recall@10"):
        assert printed in output
    shown = "".join(blocks(page, "text"))
    for line in ("looked at, 0 findings, 0 open; largest drift of a template", "on disk"):
        assert line in shown
        assert line in output


def test_the_care_pages_commands_work_in_their_order(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facenet import Recognizer, load_config
    from facenet.models import load_bundle, resized, save_bundle

    monkeypatch.chdir(workspace)
    model = load_bundle(workspace / "artifacts" / "demo" / "bundle")
    save_bundle(resized(model, 48), workspace / "artifacts" / "other")
    # The server runs until the end, and not from command to command.
    with Recognizer.from_config(load_config("configs/inference.yaml")) as recognizer:
        recognizer.store.count()
        populate = "facenet populate --data artifacts/demo/faces"
        output = output_of(workspace, populate, *blocks(CARE, "bash"))
    for printed in ("is undone: id-005", "the gallery is in its former space still", "purged"):
        assert printed in output
    assert output.count("the gallery is in the space of") == 2


def write_clip(path: Path) -> None:
    """A second of one colour: there is something to play."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            pixels = np.full((48, 64, 3), 128, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_the_readmes_python_works(workspace: Path) -> None:
    for code in blocks(ROOT / "README.md", "python"):
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=workspace, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        assert "id-000" in ran.stdout


def test_the_tutorials_plugin_installs_and_trains(train_values, tmp_path: Path) -> None:
    from facenet.config import TrainConfig, parse_config

    page = ROOT / "docs" / "plugins.md"
    module, _ = blocks(page, "python")
    [project] = blocks(page, "toml")
    assert tomllib.loads(project)["project"]["entry-points"]["facenet.miners"]
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "random_miner.py").write_text(module)
    (source / "pyproject.toml").write_text(project)
    pip_install(site, source)
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from facenet.config import TrainConfig, parse_config\n"
        "from facenet import train\n"
        f"values = {train_values!r} | {{'miner': {{'plugin': 'random', 'seed': 3}}}}\n"
        "print(train(parse_config(values, TrainConfig)).bundle)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_dir()
    with pytest.raises(Exception, match="unknown miner 'random'"):
        parse_config({**train_values, "miner": "random"}, TrainConfig)


def test_the_tutorials_suite_passes(tmp_path: Path) -> None:
    _, suite = blocks(ROOT / "docs" / "plugins.md", "python")
    (tmp_path / "test_mine.py").write_text(suite)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\d\d passed", ran.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_code_block_is_in_a_language_that_is_not_tested() -> None:
    tested = {
        "README.md": {"bash", "python"},
        "quickstart.md": {"bash", "python", "text", "yaml"},
        "backbones.md": {"bash", "yaml"},  # tests/core/test_backbones_command.py
        "benchmark.md": {"bash"},
        "bundles.md": {"bash", "python", "text"},  # tests/core/test_bundle_commands.py
        "data.md": {"bash", "text"},
        "evaluation.md": {"bash", "text"},
        "export.md": {"python"},  # tests/core/test_export.py
        "plugins.md": {"bash", "python", "toml"},  # bash: test_scaffold.py
        "recognition.md": {"bash", "python", "yaml"},
        "reliability.md": {"bash"},
        "screens.md": {"bash", "yaml"},
        "deployment.md": {"bash", "console"},  # console: test_deployment.py
        "service.md": {"bash", "python"},
        "care.md": {"bash", "text"},
        "commands.md": {"bash", "text"},  # from other pages
        "configuration.md": {"bash"},
        "api.md": {"python", "text"},  # signatures
        "hooks.md": {"python"},  # signatures
        "known-models.md": {"bash"},
        "stores.md": {"bash", "text", "yaml"},
        "thresholds.md": {"bash"},
        "training.md": {"bash"},
        "tutorials.md": {"bash", "python"},  # test_tutorials.py
    }
    for page in PAGES:
        languages = {kind for kind, _ in BLOCK.findall(page.read_text())}
        assert languages <= tested.get(page.name, {"text"}), page
