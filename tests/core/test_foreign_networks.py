"""`facenet bundle import`: networks that were trained elsewhere."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from facenet import Recognizer
from facenet.errors import DeviceError, ModelError, RequestError
from facenet.models import OnnxModel, import_onnx, load_model, read_card, save_bundle
from facenet.recognition import populate

from .cards import change_card
from .onnx_networks import (
    DIM,
    FLAT,
    LINEAR,
    PLAIN,
    ROW,
    SIZE,
    WEIGHTS,
    crops,
    mean_colours,
    network,
    node,
)

OPTIONS = "--image-size 16 --color rgb --mean 127.5 --std 127.5 --alignment none --license MIT"


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
    path = mean_colours(tmp_path / "any.onnx", shape=(3, "H", "W"))
    model = import_onnx(path, **{**PLAIN, "image_size": 40})
    assert model.embed(crops(2, 40)).shape == (2, 3)


def three_axes(path: Path) -> Path:
    one = node("Constant", "", "one", value_ints=[1])
    more = node("Unsqueeze", "row one", "embedding")
    return network(path, nodes=(one, FLAT, ROW, more), outputs=(("embedding", ("N", 1, DIM)),))


def two_outputs(path: Path) -> Path:
    return network(path, outputs=(("embedding", ("N", DIM)), ("flat", ("N", 3 * SIZE * SIZE))))


def not_numbers(path: Path) -> Path:
    positive, negative = node("Abs", "row", "positive"), node("Neg", "positive", "negative")
    return network(
        path, nodes=(FLAT, ROW, positive, negative, node("Sqrt", "negative", "embedding"))
    )


def constant(path: Path) -> Path:
    ones = (node("Sub", "flat flat", "nothing"), node("Cos", "nothing", "ones"))
    return network(path, nodes=(FLAT, *ones, node("MatMul", "ones weights", "embedding")))


def one_row(path: Path) -> Path:
    """One embedding for a whole batch."""
    mean = node("ReduceMean", "row", "embedding", axes=[0])
    return network(path, nodes=(FLAT, ROW, mean), outputs=(("embedding", (1, DIM)),))


def bytes_in(path: Path) -> Path:
    cast = node("Cast", "pixels", "numbers", to=TensorProto.FLOAT)
    nodes = (cast, node("Flatten", "numbers", "flat"), LINEAR)
    return network(path, nodes=nodes, input_type=TensorProto.UINT8)


def colours_last(path: Path) -> Path:
    return network(path, shape=(SIZE, SIZE, 3))


def another_size(path: Path) -> Path:
    return mean_colours(path, shape=(3, 32, 24))


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
        (
            three_axes,
            "its output is embedding ['N', 1, 8] tensor(float); an embedding network has",
        ),
        (
            two_outputs,
            "tensor(float) and flat ['N', 768] tensor(float); an embedding network has",
        ),
        (not_numbers, "gives embeddings that are not finite numbers"),
        (constant, "gives one embedding for two different faces"),
        (one_row, "gives (1, 8) for 2 faces; an embedding network gives (N, D)"),
        (
            bytes_in,
            "its input is pixels ['N', 3, 16, 16] tensor(uint8); an embedding network has",
        ),
        (colours_last, "(N, 3, S, S), colours before rows and columns"),
        (another_size, "takes 32 x 24 pixels, and --image-size is 16"),
        (
            other_files,
            "keeps weights in other files (external data), and a bundle takes one",
        ),
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


def test_no_bundle_is_replaced_unasked(facenet, linear: Path, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "own")
    arguments = ("bundle", "import", linear, "--output", tmp_path / "own", *OPTIONS.split())
    ran = facenet(*arguments)
    assert (ran.code, "holds a bundle, with all that was measured of it" in ran.err) == (2, True)
    assert read_card(tmp_path / "own") == read_card(bundle)
    assert facenet(*arguments, "--replace").code == 0
    assert str(read_card(tmp_path / "own").network) == "ONNX network linear.onnx"


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
    change_card(foreign, preprocessing__color="bgr")
    with pytest.raises(ModelError, match="the preprocessing was changed"):
        load_model(foreign)


def test_a_card_with_another_dimension_is_refused(foreign: Path) -> None:
    change_card(foreign, network__embedding_dim=9)
    with pytest.raises(ModelError, match="reference has 8 numbers, an embedding 9"):
        load_model(foreign)
    change_card(foreign, reference=[])
    with pytest.raises(ModelError, match="gives 8 numbers for a face, and its card says 9"):
        load_model(foreign).embed(crops())


# What ours have, these have


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


def test_an_onnx_network_reports_to_no_one(foreign_network: Path, tmp_path: Path) -> None:
    """onnxruntime keeps a user id in the user's home when it reports what it is used for."""
    code = "import sys; from facenet.models.onnx_model import open_session; "
    subprocess.run(
        [sys.executable, "-c", code + "open_session(sys.argv[1], 'cpu')", foreign_network],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
    )
    assert list(tmp_path.rglob("*")) == []
