"""Lists of pairs in LFW's format, and attributes for slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facenet.errors import DataError
from facenet.evaluation import Embedded, read_attributes, read_pairs_file


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    return path


def test_pairs_of_one_set(tmp_path: Path) -> None:
    pairs = read_pairs_file(written(tmp_path, "1\nAda\t1\t2\nAda\t1\tGrace Hopper\t4\n\n"))
    assert pairs.images == (("Ada", 1), ("Ada", 2), ("Grace Hopper", 4))
    assert pairs.first.tolist() == [0, 0]
    assert pairs.second.tolist() == [1, 2]
    assert pairs.fold is None


def test_pairs_of_several_folds(tmp_path: Path) -> None:
    lines = ["2 1", "a 1 2", "a 1 b 1", "c 1 2", "c 1 d 1"]
    pairs = read_pairs_file(written(tmp_path, "\n".join(lines)))
    assert pairs.fold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs.txt:1: must be the number of pairs"),
        ("ten\n", "pairs.txt:1: must be the number of pairs"),
        ("0\n", "pairs.txt:1: must be the number of pairs"),
        ("1\na 1 2\n", "announces 1 x 1 pairs of each kind, 2 in all, but 1 follow"),
        ("1\na 1 2\na one b 2\n", "pairs.txt:3: must be `name i j` or `name1 i name2 j`"),
        ("1\na 1\nb 1 2\n", "pairs.txt:2: must be"),
    ],
)
def test_a_wrong_list_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=r".*") as caught:
        read_pairs_file(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"\xff\xd8\xff")
    for path, message in (
        (tmp_path / "pairs.txt", "not a list"),
        (tmp_path / "no", "no such file"),
    ):
        with pytest.raises(DataError, match=message):
            read_pairs_file(path)


def test_missing_images_are_counted_and_listed(tmp_path: Path) -> None:
    pairs = read_pairs_file(written(tmp_path, "1\na 1 2\na 1 b 3\n"))
    images = tmp_path / "images"
    for name in ("a/a_0001.jpg", "b/b_0003.PNG"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()
    with pytest.raises(
        DataError, match=r"1 of the 3 images of .*pairs\.txt are not in it:\n  a/a_0002"
    ):
        pairs.files_in(images)
    (images / "a" / "a_0002.jpg").touch()
    assert [path.name for path in pairs.files_in(images)] == [
        "a_0001.jpg",
        "a_0002.jpg",
        "b_0003.PNG",
    ]
    with pytest.raises(DataError, match="nowhere: no such folder"):
        pairs.files_in(tmp_path / "nowhere")


def test_the_list_of_lfws_development_set(lfw: Path) -> None:
    pairs = read_pairs_file(lfw.parent / "pairsDevTrain.txt")
    assert len(pairs.first) == 2200
    assert all(path.is_file() for path in pairs.files_in(lfw))


@pytest.fixture
def data() -> Embedded:
    images = [Path("x", "ada", "1.jpg"), Path("x", "ada", "2.jpg"), Path("x", "grace", "1.jpg")]
    return Embedded(images, ["ada", "ada", "grace"], np.eye(3, dtype=np.float32), np.ones(3, bool))


def test_attributes_of_people_and_of_images(data: Embedded, tmp_path: Path) -> None:
    path = written(tmp_path, "identity,light,age\nada,day,old\n")
    assert read_attributes(path, data) == {"light": ["day", "day", ""], "age": ["old", "old", ""]}
    path = written(tmp_path, "image,light\nada/2.jpg,night\ngrace/1,day\n")
    assert read_attributes(path, data) == {"light": ["", "night", "day"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a heading"),
        ("name,light\nada,day\n", "must be a heading"),
        ("identity\nada\n", "must be a heading"),
        ("identity,light\nada,day,old\n", ":2: has 3 fields, the heading 2"),
        ("identity,light\nbob,day\n", "names none of the 3 images"),
    ],
)
def test_wrong_attributes_are_named(
    data: Embedded, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=r".*") as caught:
        read_attributes(written(tmp_path, text), data)
    assert message in str(caught.value)
