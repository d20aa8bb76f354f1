"""The drawn faces: repeatable, told apart by more than their pixels, and safely written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import facenet
from facenet.drawn_faces import draw_face, write_faces


def _pixels(identity: int, sample: int, *, seed: int = 0) -> NDArray[np.float64]:
    return np.asarray(draw_face(identity, sample, seed=seed, size=48), np.float64)


def _tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_same_arguments_give_the_same_pixels_in_another_process() -> None:
    digest = hashlib.sha256(draw_face(3, 5, seed=7).tobytes()).hexdigest()
    script = (
        "import hashlib; from facenet.drawn_faces import draw_face; "
        "print(hashlib.sha256(draw_face(3, 5, seed=7).tobytes()).hexdigest(), end='')"
    )
    search_path = str(Path(facenet.__file__).parents[1])
    again = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {search_path!r}); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == digest


def test_drawing_other_faces_in_between_changes_nothing() -> None:
    before = draw_face(2, 1).tobytes()
    for identity in range(5):
        draw_face(identity, 0, seed=9)
    assert draw_face(2, 1).tobytes() == before


@pytest.mark.parametrize(
    "identity, sample, seed", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["identity", "sample", "seed"]
)
def test_each_argument_changes_the_picture(identity: int, sample: int, seed: int) -> None:
    difference = np.abs(_pixels(0, 0) - _pixels(identity, sample, seed=seed)).mean()
    assert difference > 5  # of 255: more than the camera's noise


@pytest.mark.parametrize("size", [32, 96, 131])
def test_pictures_are_rgb_of_the_size_asked_for(size: int) -> None:
    picture = draw_face(0, 0, size=size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


def test_size_changes_the_resolution_and_not_the_picture() -> None:
    small = np.asarray(draw_face(4, 2, size=64).resize((16, 16), Image.Resampling.BOX), float)
    large = np.asarray(draw_face(4, 2, size=192).resize((16, 16), Image.Resampling.BOX), float)
    assert np.abs(small - large).mean() < 6


def test_every_picture_shows_something_and_few_pixels_are_burnt_out() -> None:
    for identity in range(40):
        picture = _pixels(identity, identity)
        assert picture.std() > 12
        assert (picture >= 254).all(axis=2).mean() < 0.35


def test_people_differ_more_than_their_pictures_but_pixels_do_not_give_them_away() -> None:
    people, samples = 24, 8
    flat = np.stack([_pixels(i, j).ravel() for i in range(people) for j in range(samples)])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    similarity, owner = flat @ flat.T, np.repeat(np.arange(people), samples)
    same = owner[:, None] == owner[None, :]
    pairs = ~np.eye(len(owner), dtype=bool)
    genuine, impostor = similarity[same & pairs], similarity[~same]

    # Area under the ROC curve: how often a pair of one person is the more similar one.
    below = np.searchsorted(np.sort(impostor), genuine) / len(impostor)
    assert 0.58 < below.mean() < 0.85
    nearest = np.where(pairs, similarity, -1).argmax(axis=1)
    rank_one = (owner[nearest] == owner).mean()
    assert 2 / people < rank_one < 0.9


def test_write_faces_lays_out_one_folder_per_identity(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_faces(
        tmp_path, identities=2, samples=3, size=32, progress=lambda *step: seen.append(step)
    )
    expected = {f"id-{i:03d}/{j:03d}.jpg" for i in range(2) for j in range(3)}
    assert set(_tree(tmp_path)) == expected
    assert seen == [(done, 6) for done in range(1, 7)]
    with Image.open(tmp_path / "id-001" / "002.jpg") as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 32))
        drawn = np.asarray(draw_face(1, 2, size=32), float)
        assert np.abs(np.asarray(picture, float) - drawn).mean() < 8


def test_writing_again_restores_what_is_missing_and_leaves_the_rest(tmp_path: Path) -> None:
    write_faces(tmp_path, identities=2, samples=2, size=32)
    original = _tree(tmp_path)
    (tmp_path / "id-001" / "000.jpg").unlink()
    (tmp_path / "id-000" / "001.jpg").write_bytes(b"somebody's own file")

    write_faces(tmp_path, identities=2, samples=2, size=32)
    assert _tree(tmp_path) == original | {"id-000/001.jpg": b"somebody's own file"}


def test_an_interrupted_call_leaves_whole_images_and_can_be_finished(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_faces(tmp_path / "cut", identities=2, samples=2, size=32, progress=interrupt)
    assert set(_tree(tmp_path / "cut")) == {"id-000/000.jpg", "id-000/001.jpg", "id-001/000.jpg"}
    for path in (tmp_path / "cut").rglob("*.jpg"):
        with Image.open(path) as picture:
            picture.load()

    for folder in ("cut", "straight"):
        write_faces(tmp_path / folder, identities=2, samples=2, size=32)
    assert _tree(tmp_path / "cut") == _tree(tmp_path / "straight")


def test_an_interruption_while_saving_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_saved(self: Image.Image, path: Path, *args: object, **options: object) -> None:
        path.write_bytes(b"\xff\xd8half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", half_saved)
        with pytest.raises(KeyboardInterrupt):
            write_faces(tmp_path, identities=1, samples=1, size=32)
    assert _tree(tmp_path) == {}
