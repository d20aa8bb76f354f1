"""`facenet bundle create`, `show` and `verify`: what a bundle holds, says and proves."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from facenet.evaluation import Estimate
from facenet.models import Calibration, import_onnx, load_model, read_card, save_bundle, update_card

from .cards import change_card
from .onnx_networks import PLAIN, crops, mean_colours

PAGE = Path(__file__).parents[2] / "docs" / "bundles.md"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def front_matter(bundle: Path) -> dict[str, Any]:
    _, matter, _ = (bundle / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter)


def test_others_may_read_a_bundle_as_they_may_any_file(trained: Path, tmp_path: Path) -> None:
    usual = tmp_path / "file"
    usual.touch()
    modes = {path.stat().st_mode for path in (trained / "bundle").iterdir()}
    assert modes == {usual.stat().st_mode}


# create


def test_create_makes_a_bundle_of_a_checkpoint(facenet, checkpoint: Path, tmp_path: Path) -> None:
    ran = facenet(
        "bundle", "create", "--checkpoint", checkpoint, "--output", tmp_path / "new",
        "--licence", "apache-2.0", "--intended-use", "Opening one door.",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    model = load_model(tmp_path / "new")
    assert model.card.licence == "Apache-2.0"
    assert "Opening one door." in (tmp_path / "new" / "README.md").read_text()
    faces = crops(size=32)
    np.testing.assert_array_equal(model.embed(faces), load_model(checkpoint).embed(faces))


def test_create_from_a_bundle_keeps_what_it_is_not_told(facenet, bundle: Path, tmp_path) -> None:
    update_card(bundle, {"licence": "MIT"})
    before = read_card(bundle)
    facenet(
        "bundle", "create", "--checkpoint", bundle, "--output", bundle, "--intended-use", "None."
    )
    assert read_card(bundle) == before.model_copy(update={"intended_use": "None."})


@pytest.mark.parametrize(
    "given, sentence",
    [
        ("Apache 2.0", "did you mean 'Apache-2.0'?"),
        ("cc-by-nc", "did you mean 'CC-BY-NC-"),
        ("ours", "is written LicenseRef-<name>"),
    ],
)
def test_a_licence_that_spdx_does_not_know_is_refused(
    facenet, foreign: Path, tmp_path: Path, given: str, sentence: str
) -> None:
    ran = facenet(
        "bundle",
        "create",
        "--checkpoint",
        foreign,
        "--output",
        tmp_path / "new",
        "--licence",
        given,
    )
    assert ran.code == 2
    assert f"licence {given!r}: not an SPDX id" in ran.err
    assert sentence in ran.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "licence, matter",
    [
        ("cc-by-nc-4.0", {"license": "cc-by-nc-4.0"}),
        ("LicenseRef-Ours", {"license": "other", "license_name": "LicenseRef-Ours"}),
        ("MIT or ISC", {"license": "other", "license_name": "MIT OR ISC"}),
    ],
)
def test_the_page_names_the_licence_as_hubs_do(
    facenet, foreign: Path, licence: str, matter: dict[str, str]
) -> None:
    ran = facenet(
        "bundle", "create", "--checkpoint", foreign, "--output", foreign, "--license", licence
    )
    assert ran.code == 0, ran.err
    found = front_matter(foreign)
    assert {key: value for key, value in found.items() if key.startswith("license")} == matter
    assert found["library_name"] == "facenet-kit"


def test_text_of_a_stranger_stays_in_its_cell(linear: Path, tmp_path: Path) -> None:
    odd = shutil.copy(linear, tmp_path / "a|b\n# c.onnx")
    page = save_bundle(import_onnx(odd, **PLAIN), tmp_path / "new") / "README.md"
    assert r"| Network | ONNX network a\|b # c.onnx |" in page.read_text()


# show


def test_show_prints_the_card(facenet, bundle: Path) -> None:
    update_card(bundle, {"licence": "BSD-3-Clause"})
    ran = facenet("bundle", "show", bundle)
    assert ran.code == 0, ran.err
    card = read_card(bundle)
    assert card.calibration
    for said in (
        "torchvision/resnet18",
        card.space,
        "32 x 32 pixels",
        "BSD-3-Clause",
        f"{card.calibration.threshold:.4f}",
        f"{card.calibration.low:.4f} to {card.calibration.high:.4f}",
        str(card.metrics["auc"]),
        str(card.measured_on),
    ):
        assert said in ran.out, said


def test_show_prints_json(facenet, bundle: Path) -> None:
    expected = json.loads((bundle / "config.json").read_text())
    assert facenet("bundle", "show", bundle, "--json").json() == expected


def test_show_says_what_was_never_measured(facenet, imported: Path) -> None:
    out = facenet("bundle", "show", imported).out
    assert "Not calibrated" in out
    assert "None were measured" in out


def test_a_folder_that_is_no_bundle_is_refused(facenet, tmp_path: Path) -> None:
    for command in ("show", "verify"):
        ran = facenet("bundle", command, tmp_path)
        assert (ran.code, ran.out) == (2, "")
        assert "not a model bundle, config.json is missing" in ran.err


# verify


def test_a_bundle_is_identical_where_it_was_made(facenet, bundle: Path) -> None:
    ran = facenet("bundle", "verify", bundle)
    assert ran.code == 0, ran.err
    assert "identical" in ran.out
    found = facenet("bundle", "verify", bundle, "--json").json()
    assert found["space"] == read_card(bundle).space
    assert (found["embedding"], found["readme"], found["passed"]) == ("identical", "in step", True)
    assert found["max_difference"] == 0
    assert found["cosine"] == pytest.approx(1)


def turned(bundle: Path, cosine: float) -> list[float]:
    """The recorded embedding, turned until it has that cosine with itself."""
    recorded = np.array(read_card(bundle).reference)
    other = np.roll(recorded, 1)
    other -= recorded * (recorded @ other)
    sine = math.sqrt(1 - cosine**2)
    return list(cosine * recorded + sine * other / np.linalg.norm(other))


@pytest.mark.parametrize(
    "cosine, code, verdict", [(0.99995, 0, "same within rounding"), (0.9998, 1, "differs")]
)
def test_rounding_is_told_from_another_embedding(
    facenet, foreign: Path, cosine: float, code: int, verdict: str
) -> None:
    change_card(foreign, reference=turned(foreign, cosine))
    ran = facenet("bundle", "verify", foreign)
    assert ran.code == code
    assert verdict in ran.out
    assert f"{cosine:.6f}" in ran.out
    assert facenet("bundle", "verify", foreign, "--json").json()["embedding"] == verdict


def test_a_card_without_a_reference_cannot_be_verified(facenet, foreign: Path) -> None:
    change_card(foreign, reference=[])
    ran = facenet("bundle", "verify", foreign)
    assert ran.code == 1
    assert "records no embedding of the reference face" in ran.err


def test_a_page_that_contradicts_its_card_is_found_and_written_anew(facenet, foreign: Path) -> None:
    page = foreign / "README.md"
    right = page.read_text()
    page.write_text(right.replace("linear.onnx", "another.onnx"))
    ran = facenet("bundle", "verify", foreign)
    assert ran.code == 1
    assert "README.md is not of its card" in ran.err
    page.unlink()
    assert "README.md is missing" in facenet("bundle", "verify", foreign).err
    assert facenet("bundle", "create", "--checkpoint", foreign, "--output", foreign).code == 0
    assert page.read_text() == right
    assert facenet("bundle", "verify", foreign).code == 0


@pytest.mark.parametrize("whose", ["trained", "imported"])
def test_damaged_weights_are_refused(facenet, request, tmp_path: Path, whose: str) -> None:
    source = request.getfixturevalue(whose)
    damaged = shutil.copytree(source / "bundle" if whose == "trained" else source, tmp_path / "b")
    [weights] = damaged.glob("model.*")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    ran = facenet("bundle", "verify", damaged)
    assert (ran.code, ran.out) == (2, "")
    assert f"{weights.name}: SHA-256 differs" in ran.err


@pytest.mark.parametrize("whose", ["trained", "imported"])
def test_a_bundle_that_was_moved_gives_the_same_embeddings_in_another_process(
    request, tmp_path: Path, whose: str
) -> None:
    source = request.getfixturevalue(whose)
    source = source / "bundle" if whose == "trained" else source
    model = load_model(source)
    faces = crops(size=model.card.preprocessing.image_size)
    moved = shutil.copytree(source, tmp_path / "elsewhere" / "bundle")
    np.save(tmp_path / "faces.npy", faces)
    script = (
        "import numpy as np, sys; from facenet.models import load_model\n"
        "np.save(sys.argv[3], load_model(sys.argv[1]).embed(np.load(sys.argv[2])))"
    )
    arguments = [moved, tmp_path / "faces.npy", tmp_path / "embeddings.npy"]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "embeddings.npy"), model.embed(faces))


# the card


def test_an_interval_without_ends_is_read_back(foreign: Path) -> None:
    calibration = Calibration(
        far=0.1,
        threshold=0.5,
        low=-math.inf,
        high=math.inf,
        genuine_pairs=2,
        impostor_pairs=4,
        identities=2,
        data="two people",
        fingerprint="f",
    )
    metrics = {"auc": Estimate(0.9, -math.inf, math.inf, 6)}
    update_card(foreign, {"calibration": calibration, "metrics": metrics})
    card = read_card(foreign)
    assert (card.calibration, card.metrics) == (calibration, metrics)
    assert "NaN" not in (foreign / "config.json").read_text()


def test_a_change_that_is_no_field_of_a_card_is_refused(foreign: Path) -> None:
    before = (foreign / "config.json").read_bytes()
    with pytest.raises(ValueError, match="license"):
        update_card(foreign, {"license": "MIT"})
    assert (foreign / "config.json").read_bytes() == before


# the page


def test_the_pages_commands_work_in_their_order(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "bundle", tmp_path / "artifacts" / "train" / "bundle")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    mean_colours(tmp_path / "model.onnx", shape=(3, 112, 112))
    output = ""
    for language, code in BLOCK.findall(PAGE.read_text()):
        command = ["bash", "-euo", "pipefail"] if language == "bash" else [sys.executable]
        ran = subprocess.run(
            [*command, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, code + ran.stdout + ran.stderr
        output += ran.stdout
    assert "LicenseRef-Internal" in output
    assert "identical" in output
    assert read_card(tmp_path / "artifacts" / "foreign").preprocessing.color == "bgr"
    assert read_card(tmp_path / "artifacts" / "copy").licence == "LicenseRef-Internal"
