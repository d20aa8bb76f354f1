"""Searches among some of the gallery: the Recognizer's, and the command's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facenet import Recognizer
from facenet.errors import StoreError

from .opening import EarlierWrapper, over, recognizer_of

PEOPLE: dict[str, dict[str, Any]] = {
    "id-000": {"team": "red", "level": 3},
    "id-001": {"team": "blue", "level": 3},
    "id-002": {"team": "blue", "home": {"city": "Bern"}},
}


@pytest.fixture
def recognizer(trained: Path, faces: Path):
    with recognizer_of(trained) as opened:
        for identity, metadata in PEOPLE.items():
            opened.enrol(identity, [faces / identity / "000.jpg"], metadata=metadata)
        yield opened


@pytest.fixture
def photos(faces: Path) -> list[Path]:
    return [faces / identity / "000.jpg" for identity in PEOPLE]


def found(results: Any) -> list[set[str]]:
    return [{match.identity for match in result.matches} for result in results]


def test_each_face_is_searched_among_some(recognizer: Recognizer, photos: list[Path]) -> None:
    blue = {"id-001", "id-002"}
    where = {"team": "blue"}
    assert found(recognizer.search(photos[0], where=where)) == [blue]
    crops = [recognizer.pipeline.best_crop(photo) for photo in photos]
    assert found(recognizer.search_crops(crops, where=where, top_k=2)) == [blue] * 3
    for _, answer in recognizer.search_each(photos, where=where):
        assert found(answer) == [blue]
    assert found(recognizer.search(photos[0], where={"home": {"city": "Bern"}})) == [{"id-002"}]
    assert found(recognizer.search(photos[0], where={"team": "green"})) == [set()]
    for all_of_them in (None, {}):
        assert found(recognizer.search(photos[0], where=all_of_them)) == [set(PEOPLE)]


def test_who_is_not_among_them_is_not_named(recognizer: Recognizer, photos: list[Path]) -> None:
    """The person of the photo is enrolled, and the threshold that of the whole gallery."""
    [named] = recognizer.search(photos[0], threshold=0.999)
    [other] = recognizer.search(photos[0], threshold=0.999, where={"team": "blue"})
    assert (named.identity, other.identity) == ("id-000", None)
    [whole] = recognizer.search(photos[0])
    [part] = recognizer.search(photos[0], where={"team": "red"})
    assert (part.threshold, part.threshold_origin) == (whole.threshold, whole.threshold_origin)


def test_a_wrong_filter_is_refused_in_a_line(recognizer: Recognizer, photos: list[Path]) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value, message in [
        (float("nan"), "where: metadata cannot be kept as JSON: Out of range float"),
        ("a\0", "where: metadata 'a\\x00': holds a NUL character"),
        (deep, "where: metadata is nested more than 100 levels deep"),
    ]:
        with pytest.raises(StoreError) as caught:
            recognizer.search(photos[0], where={"value": value})
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("levels", "accepted"), [(99, True), (100, False)])
def test_metadata_is_as_deep_as_a_filter_may_be(
    recognizer: Recognizer, photos: list[Path], levels: int, accepted: bool
) -> None:
    value: Any = "end"
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    metadata = {"value": value}
    if accepted:
        recognizer.enrol("deep", photos[:1], metadata=metadata)
        assert found(recognizer.search(photos[0], where=metadata)) == [{"deep"}]
    else:
        with pytest.raises(StoreError, match=r"^metadata is nested more than 100 levels deep$"):
            recognizer.enrol("deep", photos[:1], metadata=metadata)


def test_an_earlier_store_works_without_a_filter(
    recognizer: Recognizer, photos: list[Path]
) -> None:
    earlier = over(EarlierWrapper(), recognizer)
    earlier.enrol("a", photos[:1])
    for no_filter in (None, {}):
        assert found(earlier.search(photos[0], where=no_filter)) == [{"a"}]
    with pytest.raises(StoreError, match="EarlierWrapper cannot search by metadata: leave"):
        earlier.search(photos[0], where={"team": "red"})


def test_the_command_searches_among_some(facenet, inference_yaml: Path, photos: list[Path]) -> None:
    """On embedded PostgreSQL, because each command opens the gallery anew."""
    config = ("--config", inference_yaml, "--set", "quality=off")
    told = {
        "Ann": ["team=red", "level=3", 'home={"city": "Bern"}', "tags=[1, true]", "is=NaN"],
        "Bob": ["team=blue", "level=3", 'badge="3"', "of=a=b", "active=true", "left=null"],
    }
    for (name, entries), photo in zip(told.items(), photos, strict=False):
        options = [part for entry in entries for part in ("--metadata", entry)]
        assert facenet("enrol", name, photo, *config, *options).code == 0

    def names(*where: str) -> list[str]:
        options = [part for entry in where for part in ("--where", entry)]
        [face] = facenet("search", photos[0], *config, "--json", *options).json()
        return sorted(match["identity"] for match in face["matches"])

    assert names() == names("level=3") == names("level=3.0") == ["Ann", "Bob"]
    assert names("team=red") == names('team="red"') == ["Ann"]
    assert names("team=blue", "level=3") == ["Bob"]
    assert names("team=red", "active=true") == []
    assert names('home={"city": "Bern"}') == names("tags=[true]") == names("is=NaN") == ["Ann"]
    assert names("active=true") == names("left=null") == names("of=a=b") == ["Bob"]
    assert names("badge=3") == names("level=three") == names("active=1") == []
    ran = facenet("search", photos[0], *config, "--where", "team=green")
    assert (ran.code, ran.err) == (0, "")
    assert "nobody in the gallery is similar enough" in ran.out


@pytest.mark.parametrize(
    ("command", "option"),
    [(("search",), "--where"), (("enrol", "Ann"), "--metadata")],
    ids=["search", "enrol"],
)
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([""], ": must be KEY=VALUE, as in team=research"),
        (["team"], "team: must be KEY=VALUE, as in team=research"),
        (["=red"], "=red: must be KEY=VALUE, as in team=research"),
        (["team=red", "level=1", "team=blue"], "team=blue: team is given twice; leave one out"),
    ],
)
def test_what_is_no_filter_is_refused_before_the_work(
    facenet, photos, command: tuple[str, ...], option: str, entries: list[str], message: str
) -> None:
    given = [part for entry in entries for part in (option, entry)]
    ran = facenet(*command, photos[0], "--config", "nowhere.yaml", *given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"facenet: {option} {message}\n"


def test_a_filter_that_no_metadata_can_hold_is_one_line(
    facenet, inference_yaml: Path, photos: list[Path]
) -> None:
    options = ("--config", inference_yaml, "--set", "store=memory")
    for entry, message in [
        ("level=1e999", "metadata cannot be kept as JSON"),
        (f"level={'[' * 101}{']' * 101}", "metadata is nested more than 100 levels deep"),
        (r'team="a\u0000"', "holds a NUL character"),
    ]:
        ran = facenet("search", photos[0], *options, "--where", entry)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("facenet: where: ")
        assert message in ran.err
        assert len(ran.err.splitlines()) == 1
