"""The part of `StoreSuite` that is about searches among some of the gallery, by metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Store
from facenet.testing.galleries import DIM, axis, directions, names

PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {"team": "red", "level": 1, "active": True, "tags": ["a", "b", {"of": [1, 2]}]},
    "bob": {"team": "red", "level": 2.5, "active": False, "tags": [], "home": {"city": "Bern"}},
    "cid": {"team": "blue", "level": True, "active": 1, "home": {"city": "Bern", "zip": None}},
    "dan": {"team": "Red", "level": "1", "tags": "a", "home": ["city", "Bern"]},
    "eve": {},
}
FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one key": ({"team": "red"}, ["ann", "bob"]),
    "two keys": ({"team": "red", "active": True}, ["ann"]),
    "keys of two people": ({"team": "blue", "level": 2.5}, []),
    "another value": ({"team": "green"}, []),
    "part of a value": ({"team": "re"}, []),
    "another key": ({"Team": "red"}, []),
    "a value as key": ({"red": "team"}, []),
    "an equal number": ({"level": 1.0}, ["ann"]),
    "a fraction": ({"level": 2.5}, ["bob"]),
    "a number's text": ({"level": "1"}, ["dan"]),
    "true": ({"level": True}, ["cid"]),
    "one": ({"active": 1}, ["cid"]),
    "false": ({"active": False}, ["bob"]),
    "zero": ({"active": 0}, []),
    "nested": ({"home": {"city": "Bern"}}, ["bob", "cid"]),
    "nested null": ({"home": {"zip": None}}, ["cid"]),
    "null": ({"home": None}, []),
    "any object": ({"home": {}}, ["bob", "cid"]),
    "not flattened": ({"city": "Bern"}, []),
    "an element": ({"tags": ["b"]}, ["ann"]),
    "elements in another order, and twice": ({"tags": ["b", "a", "b"]}, ["ann"]),
    "one element of two": ({"tags": ["b", "c"]}, []),
    "part of an element": ({"tags": [{"of": [2]}]}, ["ann"]),
    "an element of an element": ({"tags": [2]}, []),
    "any array": ({"tags": []}, ["ann", "bob"]),
    "an array is not its element": ({"tags": "a"}, ["dan"]),
    "none": ({}, list(PEOPLE)),
}
HOSTILE = [
    "' OR '1'='1",
    "'; DROP TABLE faces; --",
    'double " quote and } brace',
    "%s %(where)s %% {identities} $1 \\ \\u0041",
    "Zoë 陳大文 محمد 🙂",
    "e\u0301 is not \u00e9",
    "$.team",
    "team.name",
    "",
]
BAD_FILTERS: dict[str, Any] = {
    "object": {"team": object()},
    "NaN": {"level": float("nan")},
    "infinity": {"level": [float("-inf")]},
    "NUL": {"team": "a\0b"},
    "NUL in a key": {"home": {"a\0b": 1}},
    "no Unicode": {"team": "\ud800"},
}


class FilterTests:
    """Needs the fixture `store`, an empty gallery."""

    @pytest.fixture
    def people(self, store: Store) -> Store:
        for name, metadata in PEOPLE.items():
            store.enrol(name, axis(0), metadata=metadata)
        return store

    @pytest.mark.parametrize("where, expected", FILTERS.values(), ids=FILTERS)
    def test_filter(self, people: Store, where: dict[str, Any], expected: list[str]) -> None:
        """If this fails: what a filter finds is not what PostgreSQL's ``@>`` finds."""
        assert names(people, axis(0), where=where) == expected

    def test_no_filter_finds_all(self, people: Store) -> None:
        """If this fails: a search without a filter is filtered."""
        assert names(people, axis(0), where=None) == names(people, axis(0)) == list(PEOPLE)

    def test_top_k_are_found_beyond_those_that_are_more_similar(self, store: Store) -> None:
        """If this fails: the filter is applied to the nearest only, so that answers are short."""
        gallery, probes = directions(120), directions(3, seed=1)
        wanted = np.flatnonzero((gallery @ probes[0] < 0) & (np.arange(120) % 3 == 0))
        for row, vector in enumerate(gallery):
            store.enrol(f"{row:03}", vector, metadata={"far": bool(row in wanted), "row": row})
        similarity = probes.astype(np.float64) @ gallery[wanted].T.astype(np.float64)
        found = store.search(probes, top_k=7, where={"far": True})
        for expected, matches in zip(similarity, found, strict=True):
            best = wanted[np.argsort(-expected)[:7]]
            assert [match.metadata["row"] for match in matches] == best.tolist()
            np.testing.assert_allclose(
                [match.similarity for match in matches], np.sort(expected)[:-8:-1], atol=1e-5
            )

    def test_filter_beside_the_other_limits(self, people: Store) -> None:
        """If this fails: with a filter, ties are not in order of name, or a limit is ignored."""
        people.enrol("zoe", -axis(0), metadata={"team": "red"})
        assert names(people, axis(0), where={"team": "red"}) == ["ann", "bob", "zoe"]
        assert names(people, axis(0), where={"team": "red"}, top_k=1) == ["ann"]
        assert names(people, -axis(0), where={"team": "red"}, min_similarity=0.5) == ["zoe"]
        assert names(people, axis(0), where={"team": "blue"}, top_k=1000) == ["cid"]

    def test_filter_follows_the_metadata(self, people: Store) -> None:
        """If this fails: a filter looks at metadata from before it was changed or erased."""
        assert names(people, axis(0), where={"team": "blue"}) == ["cid"]
        people.enrol("eve", axis(0), metadata={"team": "blue"})
        people.enrol("cid", axis(0), metadata={"team": "red"})
        assert names(people, axis(0), where={"team": "blue"}) == ["eve"]
        people.forget("eve")
        assert names(people, axis(0), where={"team": "blue"}) == []

    def test_hostile_keys_and_values_stay_as_they_are(self, people: Store) -> None:
        """If this fails: a filter reaches a query as text or as a path, or is normalised."""
        for number, text in enumerate(HOSTILE):
            people.enrol(f"{number}", axis(1), metadata={text: {text: [text]}})
        for number, text in enumerate(HOSTILE):
            assert names(people, axis(1), where={text: {text: [text]}}) == [f"{number}"]
            assert names(people, axis(1), where={"team": text}) == []
        assert people.count() == len(PEOPLE) + len(HOSTILE)

    @pytest.mark.parametrize("bad", BAD_FILTERS.values(), ids=BAD_FILTERS)
    def test_bad_filter_is_refused(self, people: Store, bad: Any) -> None:
        """If this fails: a filter that no metadata can hold is answered, or crashes."""
        with pytest.raises(StoreError, match="where") as caught:
            people.search(axis(0), where=bad)
        assert len(str(caught.value).splitlines()) == 1

    def test_filter_does_not_excuse_bad_probes(self, people: Store) -> None:
        """If this fails: a search with a filter takes what one without refuses."""
        where = {"team": "nobody's"}
        for probe in (np.ones(DIM + 1, np.float32), np.zeros(DIM, np.float32)):
            with pytest.raises(StoreError):
                people.search(probe, where=where)
        with pytest.raises(StoreError, match="top_k"):
            people.search(axis(0), top_k=0, where=where)
