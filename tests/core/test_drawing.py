"""Pictures of answers: boxes and names on photos, two photos side by side, files of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

pytest.importorskip("supervision", reason="needs facenet-kit[figures]")

from facenet.errors import FacenetError, RequestError
from facenet.imaging import open_photo
from facenet.imaging.answers import (
    PAIR_WIDTH,
    Compared,
    checked_figure_file,
    draw_pair,
    draw_photo,
    wrapped,
    write_figure,
)
from facenet.imaging.drawing import (
    KNOWN,
    UNKNOWN,
    draw_faces,
    lettering,
    printable,
    shortened,
)
from facenet.recognition import Decision, FaceMatches
from facenet.recognition.pictures import label, picture_of_search, verdict
from facenet.stores import Match
from facenet.types import Face

GREY = (128, 128, 128)
POINTS = np.array([(120, 130), (160, 130), (140, 150), (125, 170), (155, 170)], np.float32)


def plain_photo(width: int = 400, height: int = 300, colour=GREY) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def face_at(left: float, top: float, width: float = 80, height: float = 100, points=None) -> Face:
    return Face((left, top, left + width, top + height), 0.9, points)


def shows(picture: np.ndarray, colour: str | tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: the pixels of exactly this colour."""
    rgb = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    return (picture == rgb).all(axis=2)


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one != other).any(axis=2)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest box around all pixels that are True."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def luminance(colour: str) -> float:
    channels = np.array(ImageColor.getrgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@settings(deadline=None)
@given(left=st.floats(0, 320), top=st.floats(0, 200), known=st.booleans())
def test_only_what_is_near_a_face_changes(left: float, top: float, known: bool) -> None:
    photo = plain_photo()
    mask = changed(photo, draw_faces(photo, [face_at(left, top)], ["Ann"], [known]))
    near = np.zeros_like(mask)
    near[max(int(top) - 30, 0) : int(top) + 110, max(int(left) - 10, 0) : int(left) + 90] = True
    assert mask.any()
    assert not (mask & ~near).any()


def test_the_inside_of_a_box_stays_visible() -> None:
    photo = plain_photo()
    mask = changed(photo, draw_faces(photo, [face_at(100, 100)], ["Ann"], [True]))
    assert not mask[110:190, 110:170].any()


def test_known_and_unknown_people_have_the_two_colours() -> None:
    photo = plain_photo()
    for known, there, absent in ((True, KNOWN, UNKNOWN), (False, UNKNOWN, KNOWN)):
        drawn = draw_faces(photo, [face_at(100, 100)], ["Ann"], [known])
        assert shows(drawn, there).any()
        assert not shows(drawn, absent).any()


def test_each_face_has_its_own_colour() -> None:
    faces = [face_at(20, 100), face_at(280, 100)]
    drawn = draw_faces(plain_photo(), faces, ["Ann", "unknown"], [True, False])
    assert extent(shows(drawn, KNOWN))[2] < 200 < extent(shows(drawn, UNKNOWN))[0]


def test_the_two_colours_differ_in_lightness() -> None:
    """3 is the contrast that WCAG 2 asks of graphics."""
    assert (luminance(UNKNOWN) + 0.05) / (luminance(KNOWN) + 0.05) > 3


def test_landmarks_are_dots_where_they_are() -> None:
    photo = plain_photo()
    bare = draw_faces(photo, [face_at(100, 100)], ["Ann"], [True])
    dotted = draw_faces(photo, [face_at(100, 100, points=POINTS)], ["Ann"], [True])
    rows, columns = np.nonzero(changed(bare, dotted))
    pixels = np.stack([columns, rows], axis=1)[:, None]
    distances = np.linalg.norm(pixels - POINTS, axis=2)
    assert set(distances.argmin(axis=1)) == set(range(5))
    assert distances.min(axis=1).max() < 5


def test_faces_with_and_without_landmarks_are_drawn_together() -> None:
    faces = [face_at(100, 100, points=POINTS), face_at(250, 100)]
    drawn = draw_faces(plain_photo(), faces, ["Ann", "Bob"], [True, True])
    assert changed(drawn, plain_photo())[:, 250:].any()


def test_the_photo_itself_is_not_drawn_on() -> None:
    photo = plain_photo()
    photo.setflags(write=False)
    drawn = draw_faces(photo, [face_at(100, 100)], ["Ann"], [True])
    assert changed(photo, drawn).any()
    assert shows(photo, GREY).all()


def test_a_photo_without_faces_is_copied() -> None:
    photo = plain_photo()
    drawn = draw_faces(photo, [], [], [])
    np.testing.assert_array_equal(drawn, photo)
    assert not np.shares_memory(drawn, photo)


@pytest.mark.parametrize("names", [("Жанна", "Щукин"), ("Ωμέγα", "Σωκρά"), ("Łódź", "Żółw")])
def test_names_of_many_scripts_are_written(names: tuple[str, str]) -> None:
    """A font without the letters would write the same empty boxes for both."""
    one, other = (draw_faces(plain_photo(), [face_at(100, 100)], [n], [True]) for n in names)
    assert changed(one, other).any()


@pytest.mark.parametrize("place", [(0, 0), (320, 0), (0, 200), (320, 200)])
@pytest.mark.parametrize("end", ["", " with a name that has no room above its face"])
def test_labels_stay_inside_the_photo(place: tuple[int, int], end: str) -> None:
    """Two labels differ by as many pixels at the edges as they do in the middle."""

    def difference(left: float, top: float) -> int:
        one, other = (
            draw_faces(plain_photo(), [face_at(left, top)], [name + end], [False])
            for name in ("Ann", "Zoe")
        )
        return int(changed(one, other).sum())

    assert difference(*place) == difference(160, 100) > 0


@pytest.mark.parametrize("name", ["Ann\n Smith", "\rAnn\tSmith\x00", "Ann\ud800Smith\u202e"])
def test_a_name_is_written_on_one_line_of_visible_signs(name: str) -> None:
    drawn, expected = (
        draw_faces(plain_photo(), [face_at(100, 100)], [text], [True])
        for text in (name, "Ann Smith")
    )
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("size", [(3, 2), (24, 24), (4000, 3000)])
def test_photos_of_any_size_keep_it(size: tuple[int, int]) -> None:
    photo = plain_photo(*size)
    face = Face((0, 0, *map(float, size)), 1.0)
    drawn = draw_faces(photo, [face], ["a rather long name 0.71"], [True])
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    assert changed(photo, drawn).any()


@settings(deadline=None)
@given(st.text(max_size=60), st.floats(20, 200))
def test_shortened_text_has_room_and_keeps_its_end(given_text: str, room: float) -> None:
    font, text = lettering(12), printable(given_text)
    short = shortened(text, font, room)
    assert font.getlength(short) <= room
    assert short in (text, "…") or (text.startswith(short[0]) and short.endswith(text[-5:]))


def test_text_is_not_shortened_more_than_it_must() -> None:
    font = lettering(12)
    name = "Wolfeschlegelsteinhausenbergerdorff 0.70"
    assert shortened(name, font, font.getlength(name)) == name
    assert shortened(name, font, font.getlength(name) - 1).count("s") == name.count("s")


@settings(deadline=None)
@given(st.text("abcde \n", max_size=200), st.floats(30, 200))
def test_wrapped_lines_have_room_and_lose_no_short_word(text: str, room: float) -> None:
    font = lettering(12)
    result = wrapped(text, font, room)
    assert max(font.getlength(line) for line in result.split("\n")) <= room
    if max((font.getlength(word) for word in text.split()), default=0) <= room:
        assert result.split() == text.split()


@pytest.mark.parametrize(
    ("size", "shown"), [((6000, 4000), (1600, 1067)), ((40, 30), (640, 480)), ((800, 600),) * 2]
)
def test_a_figure_has_a_size_to_look_at(size: tuple[int, int], shown: tuple[int, int]) -> None:
    width, height = size
    face = Face((width / 4, height / 2, width / 2, height), 0.9)
    drawn = draw_photo(open_photo(plain_photo(*size)), [face], [""], [True])
    assert drawn.shape[1::-1] == shown
    left, _, right, bottom = extent(shows(drawn, KNOWN))
    assert left == pytest.approx(shown[0] / 4, abs=4)
    assert right == pytest.approx(shown[0] / 2, abs=4)
    assert bottom == pytest.approx(shown[1], abs=4)


RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255)


def comparison(caption: str, *, match: bool, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    """A red photo beside a green one of 100 x 100 pixels; their crops are blue and black."""
    first = Compared(
        open_photo(plain_photo(*size, RED)), face_at(10, 10), plain_photo(112, 112, BLUE)
    )
    second = Compared(
        open_photo(plain_photo(100, 100, GREEN)), face_at(10, 10), plain_photo(112, 112, (0, 0, 0))
    )
    return draw_pair(first, second, caption, match=match)


def test_a_comparison_shows_both_photos_at_equal_height_and_both_crops() -> None:
    figure = comparison("no match", match=False)
    red, green, blue = (extent(shows(figure, colour)) for colour in (RED, GREEN, BLUE))
    assert figure.shape[1] == PAIR_WIDTH
    assert red[2] < green[0]
    assert (red[1], red[3]) == (green[1], green[3])
    assert (red[2] - red[0]) / (red[3] - red[1]) == pytest.approx(4 / 3, rel=0.01)
    assert blue[1] > red[3]
    assert blue[2] - blue[0] == blue[3] - blue[1] > 100


def test_the_colour_of_a_comparison_is_that_of_its_verdict() -> None:
    for match, there, absent in ((True, KNOWN, UNKNOWN), (False, UNKNOWN, KNOWN)):
        figure = comparison("a verdict", match=match)
        assert shows(figure, there).any()
        assert not shows(figure, absent).any()


def test_a_long_caption_is_wrapped_and_the_figure_grows() -> None:
    short, long = (comparison("words of a caption " * n, match=True) for n in (1, 100))
    assert long.shape[0] > short.shape[0]
    for figure in (short, long):
        assert shows(figure, WHITE)[-20:].all()
        assert shows(figure, WHITE)[:, -20:].all()


def test_a_photo_of_any_shape_can_be_compared() -> None:
    for size in ((40, 4000), (4000, 40)):
        figure = comparison("match", match=True, size=size)
        assert figure.shape[0] < 1200
        assert shows(figure, RED).any()


FACE = face_at(100, 100)
ANN = (Match("Ann", 0.714, 3), Match("Bob", 0.2, 1))


@pytest.mark.parametrize(
    ("matches", "threshold", "written", "colour"),
    [
        (ANN, 0.5, "Ann 0.71", KNOWN),
        (ANN, 0.8, "unknown", UNKNOWN),
        ((), 0.5, "unknown", UNKNOWN),
        (ANN, None, "Ann? 0.71", UNKNOWN),
        ((), None, "unknown", UNKNOWN),
    ],
)
def test_a_searched_face_is_labelled_with_what_is_known(
    matches, threshold, written, colour
) -> None:
    result = FaceMatches(FACE, matches, threshold, "given")
    assert label(result) == written
    drawn = picture_of_search(open_photo(plain_photo(800, 600)), [result])
    expected = draw_faces(plain_photo(800, 600), [FACE], [written], [colour == KNOWN])
    np.testing.assert_array_equal(drawn, expected)


def test_a_verdict_gives_similarity_threshold_and_origin() -> None:
    assert verdict(Decision(0.5, 0.25, True, "given")) == (
        "match: similarity 0.5000 >= threshold 0.2500 (given)"
    )
    lines = verdict(Decision(0.125, 0.25, False, "configured", 0.03)).split("\n")
    assert lines[0] == "no match: similarity 0.1250 < threshold 0.2500 (configured)"
    assert "0.0300" in lines[1]


def test_a_png_holds_the_very_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    write_figure(tmp_path / "new" / "a.png", pixels)
    with Image.open(tmp_path / "new" / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")]
)
def test_the_ending_names_the_format(tmp_path: Path, name: str, kind: str) -> None:
    write_figure(checked_figure_file(tmp_path / name), plain_photo())
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (400, 300))


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FacenetError, match=r"a\.png: cannot be written"):
        write_figure(tmp_path / "a.png", plain_photo())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_place_for_a_figure_is_checked(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"precious")
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("a.gif", r"a figure must end in \.png, \.jpg or \.jpeg"),
        ("figure", r"a figure must end in \.png, \.jpg or \.jpeg"),
        ("folder.png", "is a folder"),
        ("folder.png/../photo.png", "is the photo itself"),
    ):
        with pytest.raises(RequestError, match=message):
            checked_figure_file(tmp_path / name, photo)
