"""Exported files: the model's embeddings, or no file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facenet.cli.output import progress
from facenet.data import scan_folder
from facenet.errors import FacenetError, RequestError
from facenet.exporting import FORMATS, check_parity, checked_format, drawn_faces, export_model
from facenet.exporting.pixels import to_pixels
from facenet.models import EmbeddingNetwork, TorchModel, load_model
from facenet.types import Backbone

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
FILES = ["model.ts", "model.pt2", "model.onnx"]
STRANGERS = "import sys; sys.modules.update(facenet=None, lightning=None)\n"
"""Makes importing them fail."""


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model in every format of a file."""
    folder = tmp_path_factory.mktemp("exported")
    model = load_model(trained / "bundle")
    for name in FILES:
        export_model(model, folder / name, progress=progress)
    return folder


def opened(path: Path):
    return FORMATS[checked_format(path)].open(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [1, 5])
def test_a_file_gives_the_models_embeddings(exported, trained, name: str, count: int) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    embeddings = opened(exported / name)(to_pixels(crops))
    np.testing.assert_allclose(embeddings, load_model(trained / "bundle").embed(crops), atol=1e-4)


@pytest.mark.parametrize("name", FILES)
def test_a_network_that_wants_bgr_is_given_rgb_all_the_same(trained, tmp_path, name: str) -> None:
    model = load_model(trained / "bundle")
    preprocessing = model.card.preprocessing.model_copy(
        update={"color": "bgr", "mean": (0.1, 0.4, 0.7), "std": (0.2, 0.3, 0.1)}
    )
    card = model.card.model_copy(update={"preprocessing": preprocessing})
    made = export_model(TorchModel(model.network, card), tmp_path / name, progress=progress)
    assert made.parity.lowest_cosine > 0.9999


@pytest.mark.parametrize("name", FILES)
def test_a_file_tells_nothing_of_the_machine_that_wrote_it(exported, name: str) -> None:
    content = (exported / name).read_bytes()
    assert str(Path.home()).encode() not in content
    assert b"site-packages" not in content or name == "model.ts"


def test_the_command_ends_in_a_table(facenet, trained: Path, tmp_path: Path) -> None:
    arguments = ("export", "--checkpoint", trained / "bundle", "--output", tmp_path / "model.onnx")
    ran = facenet(*arguments)
    assert ran.code == 0, ran.err
    for text in ("onnx, fp32", "MB", "64 drawn faces", "lowest 1.0000"):
        assert text in ran.out
    result = facenet(*arguments, "--json").json()
    assert result["parity"]["lowest_cosine"] > 0.9999
    assert result["megabytes"] == pytest.approx(
        (tmp_path / "model.onnx").stat().st_size / 1e6, rel=1e-3
    )
    assert result["latency_ms"] > 0


def test_a_bundle_is_the_model_itself(facenet, trained: Path, tmp_path: Path) -> None:
    model, output = load_model(trained / "bundle"), tmp_path / "exported"
    arguments = ("export", "--checkpoint", trained / "bundle", "--output", output, "--json")
    made = facenet(*arguments).json()
    assert made == {"file": str(output), "format": "bundle", "space": model.card.space}
    crops = drawn_faces(32).crops
    np.testing.assert_array_equal(load_model(output).embed(crops), model.embed(crops))


def test_parity_on_ones_own_images(facenet, trained: Path, faces: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.pt2"
    ran = facenet(
        *("export", "--checkpoint", trained / "bundle", "--output", output, "--images", faces)
    )
    assert ran.code == 0, ran.err
    assert "72 images of 12 identities" in ran.out


@pytest.mark.parametrize("name", FILES)
def test_swapped_colours_are_refused(exported: Path, trained: Path, name: str) -> None:
    right = opened(exported / name)
    model, faces = load_model(trained / "bundle"), drawn_faces(32)
    assert check_parity(model, right, faces, Path(name), progress).lowest_cosine > 0.9999
    with pytest.raises(FacenetError, match=f"{name}: not written, the export differs from the mod"):
        check_parity(
            model,
            lambda pixels: right(np.ascontiguousarray(pixels[:, ::-1])),
            faces,
            Path(name),
            progress,
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda e: e * 2, "of length 2.0000, not 1"),
        (lambda e: e * np.nan, "of length nan, not 1"),
        (lambda e: e[:, :8], r"gives \(1, 8\) float32"),
        (lambda e: e.astype(np.float64), "float64"),
    ],
)
def test_what_is_no_embedding_is_refused(exported, trained, wrong, message: str) -> None:
    right = opened(exported / "model.onnx")
    with pytest.raises(FacenetError, match=message):
        check_parity(
            load_model(trained / "bundle"),
            lambda pixels: wrong(right(pixels)),
            drawn_faces(32),
            Path("a.onnx"),
            progress,
        )


def test_int8_is_measured_by_tar_and_kept_or_refused(
    facenet, trained: Path, faces: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model.onnx"
    arguments = (
        *("export", "--checkpoint", trained / "bundle", "--output", output),
        *("--precision", "int8", "--images", faces, "--json"),
    )
    ran = facenet(*arguments, "--max-tar-drop", 1)
    assert ran.code == 0, ran.err
    tar = ran.json()["parity"]["tar"]
    assert tar["change"]["value"] == pytest.approx(tar["after"] - tar["before"])
    assert tar["change"]["low"] <= tar["change"]["value"] <= tar["change"]["high"]
    small = output.stat().st_size
    fp32 = facenet(
        *("export", "--checkpoint", trained / "bundle", "--output", tmp_path / "fp32.onnx")
    )
    assert fp32.code == 0
    assert small < 0.4 * (tmp_path / "fp32.onnx").stat().st_size

    drop = tar["before"] - tar["after"]
    ran = facenet(*arguments, "--max-tar-drop", max(0, drop))
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp32.onnx", "model.onnx"]


class Transformer(torch.nn.Module):
    """Patches of a face through two wide matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 32, 8, stride=8)
        self.wide, self.narrow = torch.nn.Linear(32, 4096), torch.nn.Linear(4096, 32)

    def forward(self, pixels):
        tokens = self.patches(pixels).flatten(2).transpose(1, 2)
        return (tokens + self.narrow(torch.relu(self.wide(tokens)))).mean(dim=1)


def test_int8_holds_for_the_matrix_products_of_a_transformer(
    trained: Path, faces: Path, tmp_path: Path
) -> None:
    backbone = Backbone(Transformer(), 32, 32, (0.5,) * 3, (0.5,) * 3)
    card = load_model(trained / "bundle").card
    model = TorchModel(EmbeddingNetwork(backbone, 16), card)
    made = {
        precision: export_model(
            model,
            tmp_path / f"{precision}.onnx",
            progress=progress,
            precision=precision,
            folder=scan_folder(faces),
            max_tar_drop=1,
        )
        for precision in ("fp32", "int8")
    }
    assert made["int8"].megabytes < 0.4 * made["fp32"].megabytes
    assert made["int8"].parity.lowest_cosine > 0.9


def test_a_drop_beyond_what_is_allowed_leaves_no_file(trained: Path, faces: Path) -> None:
    """A file that tells nothing of a face."""
    model = load_model(trained / "bundle")
    own = drawn_faces(32)

    def blind(pixels):
        random = np.random.default_rng(int(pixels.sum()))
        embeddings = random.normal(size=(len(pixels), model.embedding_dim)).astype(np.float32)
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    with pytest.raises(
        FacenetError, match=r"TAR at FAR 0\.01 falls from .*--max-tar-drop allows 0"
    ):
        check_parity(model, blind, own, Path("a.onnx"), progress, max_tar_drop=0.0)


def test_a_network_that_cannot_be_exported_is_named_and_leaves_nothing(
    trained: Path, tmp_path: Path
) -> None:
    model = load_model(trained / "bundle")

    def depends_on_data(module, inputs):
        return (inputs[0] if float(inputs[0].sum()) > 0 else -inputs[0],)

    model.network.head[-1].register_forward_pre_hook(depends_on_data)
    with pytest.raises(FacenetError, match="torchvision/resnet18 cannot be exported as torch-exp"):
        export_model(model, tmp_path / "model.pt2", progress=progress)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.onnx", "torchscript"), "a TorchScript file must end in .ts or .pt"),
        (("model.xyz", None), "an ONNX file must end in .onnx; a bundle is a folder"),
        (("model.onnx", "bundle"), "a bundle is a folder; .onnx is for onnx files"),
    ],
)
def test_a_name_and_a_format_that_contradict_each_other(arguments, message: str) -> None:
    output, kind = arguments
    with pytest.raises(RequestError, match=re.escape(message)):
        checked_format(Path(output), kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "model.ts", "--precision", "int8"), "int8 is for ONNX files"),
        (("--output", "model.onnx", "--precision", "int8"), "needs --images"),
        (("--output", "bundle", "--images", "faces"), "a bundle is the model itself"),
        (("--output", "model.onnx", "--images", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_a_wrong_export_is_one_line_and_exit_2(facenet, trained, arguments, message) -> None:
    ran = facenet("export", "--checkpoint", trained / "bundle", *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("number", range(3))
def test_the_pages_scripts_run_without_facenet_and_lightning(
    exported: Path, trained: Path, faces: Path, tmp_path: Path, number: int
) -> None:
    script = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[number]
    assert len(script.splitlines()) <= 15
    for name in FILES:
        shutil.copy(exported / name, tmp_path)
    face = Image.open(faces / "id-000" / "000.jpg").resize((32, 32))
    face.save(tmp_path / "face.png")
    script = script.replace("112", "32")
    ran = subprocess.run(
        [sys.executable, "-c", STRANGERS + script + "\nprint(repr(embedding.tolist()))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    embedding = np.array(json.loads(ran.stdout.splitlines()[-1])).reshape(-1)
    own = load_model(trained / "bundle").embed(np.array(face)[None])[0]
    np.testing.assert_allclose(embedding, own, atol=1e-4)
