"""What people see who verify, search, embed and enrol on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MEMORY = ("--set", "store=memory")


def size_of(figure: Path) -> tuple[str | None, int, int]:
    with Image.open(figure) as image:
        return image.format, *image.size


def test_a_verification_is_drawn(facenet, inference_yaml: Path, photo: Path, tmp_path) -> None:
    figure = tmp_path / "new" / "figure.png"
    other = photo.with_name("001.jpg")
    ran = facenet(
        *("verify", photo, other, "--config", inference_yaml, *MEMORY, "--save-figure", figure)
    )
    assert ran.code == 0, ran.err
    assert "match: similarity" in ran.out
    kind, width, height = size_of(figure)
    assert (kind, width) == ("PNG", 1200)
    assert f"{figure}: the answer, 1200 x {height} pixels" in ran.err


def test_a_figure_leaves_json_pure(facenet, inference_yaml: Path, photo: Path, tmp_path) -> None:
    options = ("--config", inference_yaml, *MEMORY, "--json", "--save-figure", tmp_path / "a.png")
    assert facenet("verify", photo, photo, *options).json()["match"]
    [found] = facenet("search", photo, *options).json()
    assert found["identity"] is None
    assert found["matches"] == []


@pytest.mark.parametrize("command", ["verify", "search"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figure.gif", "a figure must end in .png, .jpg or .jpeg"),
        ("photo.jpg", "is the photo itself"),
        ("photo.jpg/figure.png", "is a file; name a folder to write to"),
    ],
)
def test_a_wrong_place_for_a_figure_is_refused_before_the_work(
    facenet, inference_yaml: Path, photo: Path, tmp_path, command: str, name: str, message: str
) -> None:
    copy = tmp_path / "photo.jpg"
    copy.write_bytes(photo.read_bytes())
    photos = (photo, copy) if command == "verify" else (copy,)
    ran = facenet(
        *(command, *photos, "--config", inference_yaml, "--set", "checkpoint_path=nowhere"),
        *("--save-figure", tmp_path / name),
    )
    assert ran.code == 2
    assert message in ran.err
    assert "nowhere" not in ran.err
    assert copy.read_bytes() == photo.read_bytes()


def test_a_figure_without_its_libraries_says_what_to_install(
    facenet, inference_yaml: Path, photo: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    options = ("--config", inference_yaml, *MEMORY)
    ran = facenet("search", photo, *options, "--save-figure", tmp_path / "a.png")
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'facenet-kit[figures]'" in ran.err
    assert facenet("search", photo, *options).code == 0


def test_an_empty_gallery_is_said_to_be_so(facenet, inference_yaml: Path, photo: Path) -> None:
    ran = facenet("search", photo, "--config", inference_yaml)
    assert ran.code == 0
    assert "face 1 of 1 at (0, 0, 48, 48): the gallery is empty" in ran.out
    assert "identity" not in ran.out
    assert "the gallery is empty: enrol with `facenet enrol NAME PHOTO`, or" in ran.err


def test_a_store_that_keeps_nobody_says_so(
    facenet, inference_yaml: Path, photo: Path, tmp_path: Path
) -> None:
    config = ("--config", inference_yaml)
    exported = tmp_path / "gallery.jsonl"
    assert facenet("enrol", "Ann", photo, *config).err == ""
    assert facenet("store", "export", exported, *config).code == 0
    for command in (
        ("enrol", "Ann", photo),
        ("populate", "--data", photo.parents[1]),
        ("store", "import", exported),
    ):
        ran = facenet(*command, *config, *MEMORY)
        assert ran.code == 0, ran.err
        assert "the store 'memory' keeps nobody: what is enrolled here is gone when" in ran.err
    ran = facenet("search", photo, *config, *MEMORY)
    assert "the gallery is empty: the store 'memory' keeps nobody from one command" in ran.err


def test_a_search_finds_what_was_enrolled_with_its_metadata(
    facenet, inference_yaml: Path, photo: Path, tmp_path
) -> None:
    """On embedded PostgreSQL, because each command opens the gallery anew."""
    config = ("--config", inference_yaml)
    ran = facenet(
        *("enrol", "Жанна", photo, *config, "--set", "quality=off"),
        *("--metadata", "team=research", "--metadata", "note=a=b, c"),
    )
    assert (ran.code, ran.out) == (0, "Жанна: 1 sample added, 1 in all\n")
    figure = tmp_path / "figure.jpg"
    ran = facenet("search", photo, *config, "--json", "--save-figure", figure)
    [found] = ran.json()
    assert found["identity"] == "Жанна"
    assert found["matches"][0]["metadata"] == {"team": "research", "note": "a=b, c"}
    assert size_of(figure) == ("JPEG", 640, 640)
    ran = facenet("search", photo, *config)
    assert "face 1 of 1 at (0, 0, 48, 48)\n" in ran.out
    assert "this is Жанна: threshold" in ran.out
    ran = facenet("search", photo, *config, "--where", "team=sales")
    assert "face 1 of 1 at (0, 0, 48, 48): nobody in the gallery is similar enough" in ran.out
    assert ran.err == ""


def test_a_refused_enrolment_says_why_in_lines(facenet, inference_yaml: Path, photo: Path) -> None:
    ran = facenet(
        *("enrol", "Ann", photo, photo.with_name("001.jpg"), "--config", inference_yaml, *MEMORY),
        *("--set", "quality=strict"),
    )
    assert (ran.code, ran.out) == (2, "")
    *reasons, remedy = ran.err.splitlines()
    assert reasons[0].startswith(f"facenet: {photo}: ")
    assert "the face is 48 pixels wide or high, 80 are wanted (small_face)" in reasons[0]
    assert len(reasons) == 2
    assert "quality" in remedy


def test_the_first_rows_of_many_embeddings_are_printed(
    facenet, inference_yaml: Path, faces: Path, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    ran = facenet("embed", faces, "--config", inference_yaml, *MEMORY)
    assert ran.code == 0, ran.err
    assert f"{faces}/id-003/001.jpg" in ran.out
    assert f"{faces}/id-003/002.jpg" not in ran.out
    assert "and 52 more: --output FILE.npz writes all of them" in ran.out


def test_what_was_skipped_is_said_at_the_end(
    facenet, inference_yaml: Path, photo: Path, tmp_path
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(12):
        (tmp_path / "photos" / f"{number:02}.jpg").write_bytes(b"no photo")
    ran = facenet("embed", tmp_path / "photos", photo, "--config", inference_yaml, *MEMORY)
    assert ran.code == 0
    *_, first, tenth, last = ran.err.splitlines()[-12:]
    assert "12 images skipped:" in ran.err
    assert "08.jpg" in first
    assert "09.jpg" in tenth
    assert last == "  and 2 more"
    assert "more" not in ran.out


@pytest.mark.parametrize("as_json", [False, True])
def test_embeddings_are_written_whole(
    facenet, inference_yaml: Path, photo: Path, tmp_path, as_json: bool
) -> None:
    output = tmp_path / "new" / "embeddings.npz"
    ran = facenet(
        *("embed", photo.parent, "--config", inference_yaml, *MEMORY, "--output", output),
        *(["--json"] if as_json else []),
    )
    assert ran.code == 0, ran.err
    with np.load(output) as arrays:
        assert arrays["embeddings"].shape == (6, 16)
        assert arrays["images"].tolist() == sorted(str(path) for path in photo.parent.iterdir())
    assert [path.name for path in output.parent.iterdir()] == ["embeddings.npz"]
    if as_json:
        assert ran.json() == {"output": str(output), "images": 6, "embedding_dim": 16}
    else:
        assert ran.out == f"{output}: 6 embeddings of 16 numbers\n"


def test_a_folder_without_images_is_named(facenet, inference_yaml: Path, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    ran = facenet("embed", tmp_path / "empty", "--config", inference_yaml, *MEMORY)
    assert ran.code == 2
    assert f"{tmp_path / 'empty'}: no image below it" in ran.err
    assert not list(tmp_path.glob("*.npz"))


@pytest.fixture
def recognising_yaml(facenet, foreign_network: Path, real_models: Path, tmp_path: Path) -> Path:
    """A network for five-point aligned faces, YuNet before it, and an embedded gallery."""
    bundle = tmp_path / "bundle"
    ran = facenet(
        *("bundle", "import", foreign_network, "--output", bundle, "--image-size", 112),
        *("--color", "rgb", "--mean", 127.5, "--std", 127.5, "--alignment", "five-point"),
        *("--license", "LicenseRef-unknown"),
    )
    assert ran.code == 0, ran.err
    config = tmp_path / "inference.yaml"
    weights = real_models / "face_detection_yunet_2023mar.onnx"
    config.write_text(
        f"checkpoint_path: {bundle}\ndevice: cpu\ndetector: {{plugin: yunet, weights: {weights}}}\n"
    )
    return config


def test_six_people_of_one_photo_are_found_and_named(
    facenet, recognising_yaml: Path, lfw: Path, tmp_path: Path
) -> None:
    """Five of them are enrolled with other photos; the sixth is nobody's."""
    people = [
        "Ai_Sugiyama",
        "Al_Gore",
        "Al_Sharpton",
        "Alastair_Campbell",
        "Bill_Gates",
        "Paul_Bremer",
    ]
    config = ("--config", recognising_yaml)
    photos = {name: sorted((lfw / name).iterdir()) for name in people}
    for name in people[:-1]:
        (tmp_path / "people" / name).mkdir(parents=True)
        for path in photos[name][1:4]:
            (tmp_path / "people" / name / path.name).write_bytes(path.read_bytes())
    ran = facenet("populate", "--data", tmp_path / "people", *config)
    assert ran.code == 0, ran.err
    tiles = [np.asarray(Image.open(photos[name][0]).convert("RGB")) for name in people]
    group, figure = tmp_path / "group.png", tmp_path / "figure.png"
    Image.fromarray(np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])).save(group)

    search = ("search", group, *config, "--threshold", 0.3)
    answers = facenet(*search, "--json").json()
    assert len(answers) == 6
    found = {
        people[int(x // 250) + 3 * int(y // 250)]: answer["identity"]
        for answer in answers
        for x, y in [np.reshape(answer["face"]["box"], (2, 2)).mean(axis=0)]
    }
    assert found == {name: name for name in people[:-1]} | {people[-1]: None}

    ran = facenet(*search, "--save-figure", figure)
    rows = [line.split()[-2:] for line in ran.out.split("threshold 0.3000 (given)")[0].splitlines()]
    named = [row[0] for row in rows if len(row) == 2]
    assert set(people[:-1]) | {"unknown"} <= set(named)
    assert ran.out.count("face ") == 7  # the heading, and one block for each
    assert size_of(figure) == ("PNG", 750, 500)
