"""What a face is called: votes that neither flicker nor hold on to a mistake."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from facenet_live.names import Ballot

NAMES = st.sampled_from(["Ann", "Bob", "unknown"])
WEIGHTS = st.floats(0.05, 1)
VOTES = st.lists(st.tuples(NAMES, WEIGHTS), max_size=40)


def ballot_after(votes: list[tuple[str, float]]) -> Ballot:
    ballot = Ballot()
    for name, weight in votes:
        ballot.add(name, weight)
    return ballot


def test_without_a_look_up_there_is_no_name() -> None:
    ballot = Ballot()
    ballot.close()
    assert ballot.name is None


def test_one_look_up_of_a_perfect_face_is_enough() -> None:
    assert ballot_after([("Ann", 1.0)]).name == "Ann"


def test_a_poor_face_needs_several_look_ups() -> None:
    assert ballot_after([("Ann", 0.4)] * 2).name is None
    assert ballot_after([("Ann", 0.4)] * 3).name == "Ann"


@given(NAMES, st.lists(WEIGHTS, min_size=10, max_size=10))
def test_look_ups_that_agree_settle_the_name(name: str, weights: list[float]) -> None:
    ballot = ballot_after([(name, weight) for weight in weights])
    assert (ballot.name, ballot.settled) == (name, True)


@given(VOTES, NAMES, WEIGHTS)
def test_a_clear_winner_survives_one_contrary_look_up(
    votes: list[tuple[str, float]], name: str, weight: float
) -> None:
    ballot = ballot_after([*votes, *[("Ann", 1.0)] * 5])
    ballot.add(name, weight)
    assert ballot.name == "Ann"


@given(st.lists(WEIGHTS, min_size=1, max_size=60))
def test_a_name_does_not_flicker_when_look_ups_alternate(weights: list[float]) -> None:
    ballot, shown = Ballot(), []
    ballot.add("Ann", 1.0)
    for number, weight in enumerate(weights):
        ballot.add("Ann" if number % 2 else "Bob", weight * 0.9)
        shown.append(ballot.name)
    changes = sum(a != b for a, b in itertools.pairwise(shown))
    assert changes <= 1


@given(VOTES)
def test_a_mistake_is_mended_by_five_good_look_ups(votes: list[tuple[str, float]]) -> None:
    assert ballot_after([*votes, *[("Bob", 1.0)] * 5]).name == "Bob"


def test_a_doubt_reopens_the_vote() -> None:
    ballot = ballot_after([("Ann", 1.0)] * 4)
    assert ballot.settled
    ballot.add("Bob", 1.0)
    assert not ballot.settled


@given(st.lists(st.tuples(NAMES, WEIGHTS), min_size=10, max_size=10))
def test_a_vote_without_a_winner_ends_all_the_same(votes: list[tuple[str, float]]) -> None:
    assert ballot_after(votes).name is not None


@given(st.lists(st.tuples(NAMES, WEIGHTS), min_size=1, max_size=40))
def test_at_the_end_whoever_leads_gives_the_name(votes: list[tuple[str, float]]) -> None:
    ballot = ballot_after(votes)
    ballot.close()
    assert ballot.name in {name for name, _ in votes}
