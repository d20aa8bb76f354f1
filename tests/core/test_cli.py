"""The command line: what people type, what they read, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def train_yaml(train_values, tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(train_values))
    return path


@pytest.fixture
def memory_yaml(trained: Path, tmp_path: Path) -> Path:
    path = tmp_path / "memory.yaml"
    path.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\nquality: off\n"
    )
    return path


def test_help_lists_commands_and_installed_frontends(facenet) -> None:
    ran = facenet("--help")
    assert ran.code == 0
    for name in ("train", "evaluate", "search", "forget", "demo", "serve"):
        assert f"\n  {name} " in ran.out


def test_a_frontends_switches_are_flags(facenet) -> None:
    shown = facenet("live", "--help").out
    assert "--show-similarity / --no-show-similarity" in shown
    assert "--camera VALUE" in shown
    ran = facenet("live", "--show-similarity", "yes")
    assert ran.code == 2
    assert "unexpected extra argument (yes)" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [("trian",), ("search",), ("search", "a.jpg", "--top-k", "0"), ("config", "show", "x")],
)
def test_a_wrong_command_line_exits_with_2(facenet, arguments) -> None:
    ran = facenet(*arguments)
    assert ran.code == 2
    assert "Error" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("trian",), "'train'"),
        (("srve",), "'serve'"),
        (("config", "shw"), "'show'"),
        (("serve", "kyes"), "'keys'"),
        (("train", "--confg", "x"), "'--config'"),
        (("live", "--camra", "0"), "'--camera'"),
    ],
)
def test_a_mistyped_word_is_told_what_may_be_meant(facenet, arguments, meant: str) -> None:
    ran = facenet(*arguments)
    assert ran.code == 2
    assert "id you mean" in ran.err
    assert meant in ran.err


def test_training_evaluating_and_exporting(facenet, train_yaml: Path, tmp_path: Path) -> None:
    ran = facenet("train", "--config", train_yaml, "--json")
    assert ran.code == 0, ran.err
    result = ran.json()
    assert "12 identities, 72 images" in ran.err

    ran = facenet(
        "evaluate", "--config", train_yaml, "--checkpoint", result["checkpoint"], "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.json()["figures"] == result["figures"]
    table = facenet("evaluate", "--config", train_yaml, "--checkpoint", result["bundle"]).out
    assert "60 genuine and 216 impostor pairs of 4 people" in table
    assert "not supported: needs 300 impostor pairs" in " ".join(table.split())

    script, bundle = tmp_path / "model.ts", tmp_path / "exported"
    assert facenet("export", "--checkpoint", result["bundle"], "--output", script).code == 0
    ran = facenet(
        "export", "--checkpoint", result["checkpoint"], "--output", bundle, "--format", "bundle"
    )
    assert ran.code == 0, ran.err
    assert (bundle / "model.safetensors").is_file()


def test_a_gallery_from_the_command_line(facenet, inference_yaml: Path, faces: Path) -> None:
    """On embedded PostgreSQL: every command opens the gallery that the one before it left."""
    probe = faces / "id-003" / "005.jpg"
    ran = facenet("populate", "--config", inference_yaml, "--data", faces)
    assert ran.code == 0, ran.err
    assert "72 of 72 images added for 12 identities" in ran.out
    again = facenet("populate", "--config", inference_yaml, "--data", faces, "--json")
    assert again.json()["report"]["added"] == 0
    assert again.json()["store"]["samples"] == 72

    ran = facenet("enrol", "someone new", probe, "--config", inference_yaml)
    assert (ran.code, ran.out) == (0, "someone new: 1 sample added, 1 in all\n")
    ran = facenet("search", probe, "--config", inference_yaml, "--top-k", 2, "--json")
    [face] = ran.json()
    assert len(face["matches"]) == 2
    assert face["matches"][0]["identity"] == "someone new"
    assert face["matches"][0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert "someone new" in facenet("search", probe, "--config", inference_yaml).out

    ran = facenet("forget", "someone new", "--config", inference_yaml)
    assert ran.code == 0
    assert "someone new: 1 sample erased" in ran.out
    ran = facenet("forget", "someone new", "--config", inference_yaml)
    assert (ran.code, ran.err) == (2, "facenet: 'someone new' is not in the gallery\n")
    assert (inference_yaml.parent / ".facenet" / "postgres" / "PG_VERSION").is_file()


def test_verifying_prints_the_decision_and_its_threshold(facenet, memory_yaml, faces) -> None:
    photo = faces / "id-000" / "000.jpg"
    ran = facenet("verify", photo, photo, "--config", memory_yaml)
    assert ran.out.startswith("match: similarity 1.0000 >= threshold ")
    assert "calibrated: FAR 0.1 on 216 impostor pairs" in ran.out
    ran = facenet("verify", photo, photo, "--config", memory_yaml, "--threshold", 1, "--json")
    assert ran.json()["threshold_origin"] == "given"


def test_an_embedding_is_printed_as_json(facenet, memory_yaml: Path, faces: Path) -> None:
    one = faces / "id-000" / "000.jpg"
    [entry] = facenet("embed", one, "--config", memory_yaml, "--json").json()
    assert entry["image"] == str(one)
    assert len(entry["embedding"]) == 16


def test_unreadable_images_are_reported_counted_and_skipped(
    facenet, memory_yaml: Path, faces: Path, tmp_path: Path
) -> None:
    root = tmp_path / "people" / "a"
    root.mkdir(parents=True)
    whole = (faces / "id-000" / "000.jpg").read_bytes()
    (root / "good.jpg").write_bytes(whole)
    (root / "truncated.jpg").write_bytes(whole[:-200])
    for command in (("populate", "--data", root.parent), ("embed", root)):
        ran = facenet(*command, "--config", memory_yaml)
        assert ran.code == 0
        assert "1 image skipped:" in ran.err
        assert "truncated.jpg: cannot be decoded" in ran.err


def test_plugins_are_listed_shown_and_checked(facenet) -> None:
    rows = facenet("plugins", "--json").json()
    assert facenet("plugins", "list", "--json").json() == rows
    assert {(row["kind"], row["name"]) for row in rows} >= {
        ("backbone", "torchvision"),
        ("miner", "batch_hard"),
        ("detector", "whole_image"),
        ("store", "memory"),
        ("store", "pgvector"),
        ("frontend", "serve"),
    }
    shown = facenet("plugins", "show", "store", "pgvector")
    assert "facenet-kit[pgvector]" in shown.out
    assert "sslmode" in shown.out
    assert "no options" in facenet("plugins", "show", "miner", "batch_hard").out
    checked = facenet("plugins", "check", "--json")
    assert checked.code == 0
    assert {row["error"] for row in checked.json()} == {None}


def test_configurations_are_described_and_shown(facenet, train_yaml: Path, tmp_path: Path) -> None:
    for kind in ("train", "inference", "benchmark"):
        assert facenet("config", "schema", kind).json()["type"] == "object"
    ran = facenet("config", "show", "train", "--config", train_yaml, "--set", "seed=7")
    assert yaml.safe_load(ran.out)["seed"] == 7
    secret = tmp_path / "secret.yaml"
    secret.write_text("checkpoint_path: x\ndatabase: {host: db, password: hunter2}\n")
    ran = facenet("config", "show", "inference", "--config", secret)
    assert "hunter2" not in ran.out + ran.err
    assert "host: db" in ran.out


def test_the_committed_configurations_load(facenet) -> None:
    for kind in ("train", "inference", "benchmark"):
        path = Path(__file__).parents[2] / "configs" / f"{kind}.yaml"
        assert facenet("config", "show", kind, "--config", path).code == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.root=/nowhere", "facenet: /nowhere: no such folder"),
        ("data.batch_size=100", "is 100, but classes_per_batch x samples_per_class is 4 x 3 = 12"),
        ("model.embedding_dim=0", "--set model.embedding_dim: must be at least 1, got 0"),
        ("model.embedding_dim=5000", "got 5000"),
        ("model.backbone=resnet19", "did you mean 'resnet18'"),
        ("model.backbone=nope/resnet18", "unknown backbone 'nope'"),
        ("optimizer.nmae=adam", "unknown key, did you mean 'name'?"),
    ],
)
def test_a_wrong_training_request_is_one_line_and_exit_2(
    facenet, train_yaml: Path, override: str, message: str
) -> None:
    ran = facenet("train", "--config", train_yaml, "--set", override)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert not (train_yaml.parent / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["checkpoint_path=nowhere"], "nowhere: no such checkpoint or bundle"),
        (["store.host=127.0.0.1", "store.port=1"], "127.0.0.1:1"),
        (["store=postgres"], "unknown store 'postgres'"),
        (["detector=haar"], "unknown detector 'haar'"),
        (["frontends.serv={}"], "did you mean 'serve'"),
    ],
)
def test_a_wrong_recognition_request_is_one_line_and_exit_2(
    facenet, inference_yaml: Path, faces: Path, overrides: list[str], message: str
) -> None:
    sets = [part for override in overrides for part in ("--set", override)]
    if "store.host=127.0.0.1" in overrides:
        sets = ["--set", "store=pgvector", *sets]
    ran = facenet("search", faces / "id-000" / "000.jpg", "--config", inference_yaml, *sets)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "--format", "bundle"), "kept.txt: is a file; name a folder"),
        (("export", "--format", "bundle", "folder"), "holds something that is no model bundle"),
        (("export", "folder"), "holds something that is no model bundle"),
        (("export", "--format", "onnx", "folder"), "an ONNX file must end in .onnx"),
        (("export", "kept.txt"), "a TorchScript file must end in .ts or .pt"),
        (("export", "kept.txt/model.ts"), "kept.txt: is a file; name a folder"),
        (("embed",), "must end in .npz"),
        (("embed", "kept.txt/a.npz"), "kept.txt: is a file; name a folder"),
        (("demo",), "kept.txt: is a file; name a folder"),
        (("train",), "kept.txt: is a file; name a folder"),
    ],
)
def test_an_output_never_replaces_what_it_did_not_make(
    facenet, trained: Path, faces: Path, train_yaml, memory_yaml, tmp_path, arguments, message
) -> None:
    command, *rest = arguments
    (tmp_path / "folder").mkdir()
    for kept in (tmp_path / "kept.txt", tmp_path / "folder" / "kept.txt"):
        kept.write_text("precious")
    place = tmp_path / ("kept.txt" if not rest or rest[-1] == "bundle" else rest.pop())
    full = {
        "export": ("--checkpoint", trained / "bundle", "--output", place),
        "embed": (faces / "id-000", "--config", memory_yaml, "--output", place),
        "demo": ("--output", place),
        "train": ("--config", train_yaml, "--set", f"logging.output_dir={place}"),
    }
    ran = facenet(command, *rest, *full[command])
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert (tmp_path / "kept.txt").read_text() == "precious"
    assert (tmp_path / "folder" / "kept.txt").read_text() == "precious"


def test_a_missing_configuration_and_image_are_named(facenet, memory_yaml: Path) -> None:
    ran = facenet("search", "a.jpg", "--config", "nowhere.yaml")
    assert ran.code == 2
    assert "nowhere.yaml: no such configuration file" in ran.err
    ran = facenet("search", "nowhere.jpg", "--config", memory_yaml)
    assert (ran.code, ran.err) == (2, "facenet: nowhere.jpg: no such file\n")


def test_an_empty_path_is_not_the_folder_at_hand(facenet) -> None:
    ran = facenet("bundle", "verify", "")
    assert ran.code == 2
    assert "'BUNDLE': an empty path names no bundle" in ran.err


def test_a_photo_before_the_name_is_told_so(facenet, memory_yaml: Path, faces: Path) -> None:
    photo = faces / "id-000" / "000.jpg"
    for name, end in ((photo, "; the name comes first"), ("Ann", "")):
        ran = facenet("enrol", name, "Ben", "--config", memory_yaml)
        assert (ran.code, ran.err) == (2, f"facenet: Ben: no such file{end}\n")


def test_ctrl_c_while_training_keeps_what_is_finished(train_values, tmp_path: Path) -> None:
    train_values["trainer"]["max_epochs"] = 500
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(train_values))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-m", "facenet", "train", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    deadline = time.monotonic() + 120
    while not last.is_file() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "facenet: interrupted; what was finished is kept" in err
    assert "Traceback" not in err

    from facenet.models import load_model

    assert load_model(last).embedding_dim == 16
    assert not (tmp_path / "run" / "bundle").exists()
