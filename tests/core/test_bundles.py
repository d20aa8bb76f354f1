"""The commands on bundles, and bundles of networks that were trained elsewhere."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from facenet import Recognizer
from facenet.errors import DeviceError, ModelError, RequestError
from facenet.evaluation import Estimate
from facenet.models import (
    Calibration,
    OnnxModel,
    import_onnx,
    load_model,
    read_card,
    save_bundle,
    update_card,
)
from facenet.recognition import populate

PAGE = Path(__file__).parents[2] / "docs" / "bundles.md"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIZE, DIM = 16, 8
PLAIN: dict[str, Any] = {
    "image_size": SIZE,
    "color": "rgb",
    "mean": (127.5,) * 3,
    "std": (127.5,) * 3,
    "alignment": "none",
    "licence": "MIT",
}
OPTIONS = "--image-size 16 --color rgb --mean 127.5 --std 127.5 --alignment none --license MIT"
WEIGHTS = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, DIM)).astype(np.float32)


def test_others_may_read_a_bundle_as_they_may_any_file(trained: Path, tmp_path: Path) -> None:
    usual = tmp_path / "file"
    usual.touch()
    modes = {path.stat().st_mode for path in (trained / "bundle").iterdir()}
    assert modes == {usual.stat().st_mode}


def network(
    path: Path,
    *,
    batch: int | str = "N",
    shape: tuple[int | str, ...] = (3, SIZE, SIZE),
    nodes: tuple[Any, ...] | None = None,
    input_type: int = TensorProto.FLOAT,
    outputs: tuple[tuple[str, tuple[int | str, ...]], ...] = (("embedding", ("N", DIM)),),
    **saving: Any,
) -> Path:
    """Write an ONNX network; unless told otherwise, a linear map of all pixels."""
    flatten = helper.make_node("Flatten", ["pixels"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["embedding"])
    graph = helper.make_graph(
        nodes or (flatten, linear),
        "network",
        [helper.make_tensor_value_info("pixels", input_type, (batch, *shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save_model(model, path, **saving)
    return path


def mean_colours(path: Path) -> Path:
    """A network whose embedding is the mean of each channel that it is given."""
    pool = helper.make_node("GlobalAveragePool", ["pixels"], ["mean"])
    flatten = helper.make_node("Flatten", ["mean"], ["embedding"])
    return network(path, nodes=(pool, flatten), outputs=(("embedding", ("N", 3)),))


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network(tmp_path_factory.mktemp("onnx") / "linear.onnx")


@pytest.fixture(scope="module")
def imported(linear: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a network that was trained elsewhere."""
    return save_bundle(import_onnx(linear, **PLAIN), tmp_path_factory.mktemp("bundle") / "linear")


@pytest.fixture
def bundle(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(trained / "bundle", tmp_path / "bundle"))


@pytest.fixture
def foreign(imported: Path, tmp_path: Path) -> Path:
    """The same for a small network that was trained elsewhere."""
    return Path(shutil.copytree(imported, tmp_path / "foreign"))


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    return next((trained / "checkpoints").glob("epoch*.ckpt"))


def crops(count: int = 5, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def front_matter(bundle: Path) -> dict[str, Any]:
    _, matter, _ = (bundle / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter)


def change_config(bundle: Path, **changes: Any) -> None:
    path = bundle / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


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
    change_config(foreign, reference=turned(foreign, cosine))
    ran = facenet("bundle", "verify", foreign)
    assert ran.code == code
    assert verdict in ran.out
    assert f"{cosine:.6f}" in ran.out
    assert facenet("bundle", "verify", foreign, "--json").json()["embedding"] == verdict


def test_a_card_without_a_reference_cannot_be_verified(facenet, foreign: Path) -> None:
    change_config(foreign, reference=[])
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


# import


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    mean=st.tuples(*[st.floats(0, 255)] * 3),
    std=st.tuples(*[st.floats(1, 255)] * 3),
    color=st.sampled_from(["rgb", "bgr"]),
)
def test_pixels_are_prepared_as_the_options_say(linear: Path, mean, std, color: str) -> None:
    model = import_onnx(linear, **{**PLAIN, "mean": mean, "std": std, "color": color})
    faces = crops()
    ordered = faces[..., ::-1] if color == "bgr" else faces
    pixels = ((ordered - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    expected = pixels.reshape(len(faces), -1) @ WEIGHTS
    scale = np.abs(pixels).max() * WEIGHTS.shape[0] ** 0.5
    np.testing.assert_allclose(
        model.embed(faces, normalize=False), expected, rtol=1e-4, atol=1e-5 * scale
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_a_bgr_network_sees_channels_swapped(tmp_path: Path, colour) -> None:
    path = mean_colours(tmp_path / "colours.onnx")
    face = np.full((1, SIZE, SIZE, 3), colour, np.uint8)
    raw = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    for color, seen in (("rgb", colour), ("bgr", colour[::-1])):
        model = import_onnx(path, **{**PLAIN, **raw, "color": color})
        np.testing.assert_allclose(model.embed(face, normalize=False)[0], seen, atol=1e-3)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_a_fixed_batch_makes_no_difference(
    linear: Path, tmp_path: Path, batch: int, count: int
) -> None:
    fixed = import_onnx(
        network(tmp_path / "fixed.onnx", batch=batch, outputs=(("embedding", (batch, DIM)),)),
        **PLAIN,
    )
    embeddings = fixed.embed(crops(count))
    assert embeddings.shape == (count, DIM)
    np.testing.assert_allclose(embeddings, import_onnx(linear, **PLAIN).embed(crops(count)), 1e-5)


def test_a_network_of_any_input_size_gets_the_one_that_is_asked_for(tmp_path: Path) -> None:
    pool = helper.make_node("GlobalAveragePool", ["pixels"], ["mean"])
    flatten = helper.make_node("Flatten", ["mean"], ["embedding"])
    path = network(
        tmp_path / "any.onnx",
        shape=(3, "H", "W"),
        nodes=(pool, flatten),
        outputs=(("embedding", ("N", 3)),),
    )
    model = import_onnx(path, **{**PLAIN, "image_size": 40})
    assert model.embed(crops(2, 40)).shape == (2, 3)


def three_axes(path: Path) -> Path:
    one = helper.make_node("Constant", [], ["one"], value_ints=[1])
    flat = helper.make_node("Flatten", ["pixels"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["row"])
    more = helper.make_node("Unsqueeze", ["row", "one"], ["embedding"])
    return network(path, nodes=(one, flat, linear, more), outputs=(("embedding", ("N", 1, DIM)),))


def two_outputs(path: Path) -> Path:
    flat = helper.make_node("Flatten", ["pixels"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["embedding"])
    outputs = (("embedding", ("N", DIM)), ("flat", ("N", 3 * SIZE * SIZE)))
    return network(path, nodes=(flat, linear), outputs=outputs)


def not_numbers(path: Path) -> Path:
    flat = helper.make_node("Flatten", ["pixels"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["row"])
    minus = helper.make_node("Abs", ["row"], ["positive"])
    negative = helper.make_node("Neg", ["positive"], ["negative"])
    root = helper.make_node("Sqrt", ["negative"], ["embedding"])
    return network(path, nodes=(flat, linear, minus, negative, root))


def constant(path: Path) -> Path:
    flat = helper.make_node("Flatten", ["pixels"], ["flat"])
    nothing = helper.make_node("Sub", ["flat", "flat"], ["nothing"])
    same = helper.make_node("Cos", ["nothing"], ["ones"])
    linear = helper.make_node("MatMul", ["ones", "weights"], ["embedding"])
    return network(path, nodes=(flat, nothing, same, linear))


def one_row(path: Path) -> Path:
    """One embedding for a whole batch."""
    flat = helper.make_node("Flatten", ["pixels"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["rows"])
    mean = helper.make_node("ReduceMean", ["rows"], ["embedding"], axes=[0])
    return network(path, nodes=(flat, linear, mean), outputs=(("embedding", (1, DIM)),))


def bytes_in(path: Path) -> Path:
    cast = helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT)
    flat = helper.make_node("Flatten", ["numbers"], ["flat"])
    linear = helper.make_node("MatMul", ["flat", "weights"], ["embedding"])
    return network(path, nodes=(cast, flat, linear), input_type=TensorProto.UINT8)


def colours_last(path: Path) -> Path:
    return network(path, shape=(SIZE, SIZE, 3))


def another_size(path: Path) -> Path:
    return network(path, shape=(3, 32, 24), nodes=mean_nodes(), outputs=(("embedding", ("N", 3)),))


def mean_nodes() -> tuple[Any, ...]:
    return (
        helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
    )


def other_files(path: Path) -> Path:
    return network(path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def other_files_that_are_missing(path: Path) -> Path:
    other_files(path)
    path.with_name("weights.bin").unlink()
    return path


def text(path: Path) -> Path:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    return path


def missing(path: Path) -> Path:
    return path


@pytest.mark.parametrize(
    "make, sentence",
    [
        (three_axes, "its output is embedding ['N', 1, 8] tensor(float); an embedding network has"),
        (two_outputs, "tensor(float) and flat ['N', 768] tensor(float); an embedding network has"),
        (not_numbers, "gives embeddings that are not finite numbers"),
        (constant, "gives one embedding for two different faces"),
        (one_row, "gives (1, 8) for 2 faces; an embedding network gives (N, D)"),
        (bytes_in, "its input is pixels ['N', 3, 16, 16] tensor(uint8); an embedding network has"),
        (colours_last, "(N, 3, S, S), colours before rows and columns"),
        (another_size, "takes 32 x 24 pixels, and --image-size is 16"),
        (other_files, "keeps weights in other files (external data), and a bundle takes one"),
        (other_files_that_are_missing, "External data path does not exist"),
        (text, "not an ONNX file that onnxruntime loads"),
        (missing, "no such file"),
    ],
)
def test_what_is_no_embedding_network_is_refused(
    facenet, tmp_path: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    path = make(tmp_path / "model.onnx")
    ran = facenet("bundle", "import", path, "--output", tmp_path / "new", *OPTIONS.split())
    assert ran.code == 2
    assert ran.err.startswith(f"facenet: {path}: ")
    assert ran.err.count("\n") == 1
    assert sentence in ran.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("std", 0.5, "std 0.5: must be on the scale 0..255, as mean; did you mean 127.5?"),
        ("std", 0.2, "did you mean 51?"),
        ("std", 1 / 128, "did you mean 128?"),
        ("std", 0, "std 0: must be greater than 0"),
        ("std", math.nan, "std nan: must be greater than 0"),
        ("mean", -1, "mean -1: must be on the scale 0..255"),
        ("mean", 256, "mean 256: must be on the scale 0..255"),
    ],
)
def test_a_scale_that_cannot_be_meant_is_refused(
    linear: Path, key: str, value: float, sentence: str
) -> None:
    with pytest.raises(RequestError) as caught:
        import_onnx(linear, **{**PLAIN, key: (value,) * 3})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("value", ["1,2", "a", "1,2,3,4", ""])
def test_channels_are_one_number_or_three(facenet, linear: Path, tmp_path, value: str) -> None:
    options = OPTIONS.replace("--mean 127.5", "").split()
    ran = facenet("bundle", "import", linear, "--output", tmp_path / "x", "--mean", value, *options)
    assert ran.code == 2
    assert "give one number, or three separated by commas" in ran.err


@pytest.mark.parametrize(
    "option", ["--image-size", "--color", "--mean", "--std", "--alignment", "--license"]
)
def test_nothing_about_a_foreign_network_is_assumed(
    facenet, linear: Path, tmp_path: Path, option: str
) -> None:
    options = OPTIONS.split()
    place = options.index(option)
    del options[place : place + 2]
    ran = facenet("bundle", "import", linear, "--output", tmp_path / "new", *options)
    assert ran.code == 2
    assert f"Missing option '{option.replace('--license', '--licence')}'" in ran.err


def test_the_command_writes_a_bundle_that_verifies(facenet, linear: Path, tmp_path: Path) -> None:
    ran = facenet(
        "bundle", "import", linear, "--output", tmp_path / "new", *OPTIONS.split(),
        "--mean", "123.675,116.28,103.53", "--color", "bgr", "--intended-use", "Tests.",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    card = read_card(tmp_path / "new")
    assert card.network.embedding_dim == DIM
    assert str(card.network) == "ONNX network linear.onnx"
    assert card.preprocessing.mean == pytest.approx((0.485, 0.456, 0.406))
    assert (card.preprocessing.color, card.licence) == ("bgr", "MIT")
    assert "123.675, 116.28, 103.53" in facenet("bundle", "show", tmp_path / "new").out
    assert facenet("bundle", "verify", tmp_path / "new").code == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"color": "bgr"},
        {"mean": (0.0,) * 3},
        {"std": (128.0,) * 3},
        {"alignment": "five-point"},
    ],
)
def test_another_preprocessing_is_another_space(linear: Path, change: dict[str, Any]) -> None:
    assert import_onnx(linear, **PLAIN).card.space == import_onnx(linear, **PLAIN).card.space
    changed = import_onnx(linear, **{**PLAIN, **change})
    assert changed.card.space != import_onnx(linear, **PLAIN).card.space


def test_a_preprocessing_that_was_changed_later_is_refused(foreign: Path) -> None:
    values = json.loads((foreign / "config.json").read_text())["preprocessing"]
    change_config(foreign, preprocessing={**values, "color": "bgr"})
    with pytest.raises(ModelError, match="the preprocessing was changed"):
        load_model(foreign)


def test_a_card_with_another_dimension_is_refused(foreign: Path) -> None:
    values = json.loads((foreign / "config.json").read_text())["network"]
    change_config(foreign, network={**values, "embedding_dim": 9})
    with pytest.raises(ModelError, match="reference has 8 numbers, an embedding 9"):
        load_model(foreign)
    change_config(foreign, reference=[])
    with pytest.raises(ModelError, match="gives 8 numbers for a face, and its card says 9"):
        load_model(foreign).embed(crops())


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


# what ours have, foreign ones have


@pytest.fixture
def recognizer(imported: Path):
    with Recognizer.from_pretrained(imported, device="cpu", store="memory") as opened:
        yield opened


def test_a_foreign_model_verifies_with_a_threshold(recognizer: Recognizer, faces: Path) -> None:
    photo, other = faces / "id-000" / "000.jpg", faces / "id-001" / "000.jpg"
    assert recognizer.embed([photo, other]).shape == (2, DIM)
    assert recognizer.verify(photo, photo, threshold=0.9).match
    with pytest.raises(RequestError, match="has no calibrated threshold"):
        recognizer.verify(photo, other)


def test_a_foreign_model_fills_and_searches_a_gallery(recognizer: Recognizer, faces: Path) -> None:
    populate(recognizer, faces)
    assert recognizer.store.count() == 12
    recognizer.enrol("someone", [faces / "id-003" / "001.jpg"])
    [found] = recognizer.search(faces / "id-003" / "001.jpg", top_k=1)
    assert found.matches[0].identity == "someone"


def test_a_foreign_model_has_one_input_size(imported: Path) -> None:
    with pytest.raises(ModelError, match=r"image_size 32: .*linear\.onnx does not take it"):
        Recognizer.from_pretrained(imported, device="cpu", store="memory", image_size=32)


def test_a_device_that_onnxruntime_cannot_use_is_an_error(linear: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime is built for GPUs")
    with pytest.raises(DeviceError, match="device 'cuda': the installed onnxruntime cannot use it"):
        OnnxModel(linear, import_onnx(linear, **PLAIN).card, "cuda")


def test_a_gallery_refuses_the_bundle_that_did_not_fill_it(
    facenet, imported: Path, linear: Path, faces: Path, tmp_path: Path
) -> None:
    other = save_bundle(import_onnx(linear, **{**PLAIN, "color": "bgr"}), tmp_path / "other")
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {imported}\ndevice: cpu\n")
    photo = faces / "id-000" / "000.jpg"
    ran = facenet("enrol", "ann", photo, "--config", config)
    assert ran.code == 0, ran.err
    ran = facenet("search", photo, "--config", config, "--set", f"checkpoint_path={other}")
    assert ran.code == 2
    assert repr(read_card(imported).space) in ran.err
    assert repr(read_card(other).space) in ran.err


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
    pool = (("embedding", ("N", 3)),)
    network(tmp_path / "model.onnx", shape=(3, 112, 112), nodes=mean_nodes(), outputs=pool)
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


def test_an_onnx_network_reports_to_no_one(foreign_network: Path, tmp_path: Path) -> None:
    """onnxruntime keeps a user id in the user's home when it reports what it is used for."""
    code = "import sys; from facenet.models.onnx_model import open_session; "
    subprocess.run(
        [sys.executable, "-c", code + "open_session(sys.argv[1], 'cpu')", foreign_network],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
    )
    assert list(tmp_path.rglob("*")) == []
