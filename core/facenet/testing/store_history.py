"""The part of `StoreSuite` that is about the log of changes, and taking them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from facenet.curated_stores import LoggedStore
from facenet.errors import StoreError
from facenet.stores import Store
from facenet.testing.galleries import axis, directions, everything, heaviest, held, names


class HistoryTests:
    """Needs the fixture `store`, an empty gallery; skipped where it is no `LoggedStore`."""

    @pytest.fixture
    def logged_store(self, store: Store) -> LoggedStore:
        if not isinstance(store, LoggedStore):
            pytest.skip("this store keeps no log")
        return store

    def test_every_change_is_in_the_log(self, logged_store: LoggedStore) -> None:
        """If this fails: something was done to the gallery, and nobody can tell what."""
        before = datetime.now(UTC) - timedelta(minutes=1)
        logged_store.enrol("ann", directions(3), keys=list("abc"))
        logged_store.enrol("ann", directions(3), keys=list("abc"))
        logged_store.enrol("bob", axis(1))
        logged_store.rename("ann", "eve")
        first, second, _ = (sample.number for sample in logged_store.holdings("eve"))
        logged_store.transfer("eve", "bob", samples=[first])
        logged_store.erase("eve", [second])
        logged_store.forget("eve")
        log = logged_store.history()
        assert [(entry.action, entry.identity, entry.other, entry.samples) for entry in log] == [
            ("forget", None, None, 1),
            ("erase", None, None, 1),
            ("move", None, "bob", 1),
            ("rename", None, None, 0),
            ("enrol", "bob", None, 1),
            ("enrol", None, None, 3),
        ]
        assert all(before < entry.at < before + timedelta(minutes=5) for entry in log)
        assert len({entry.number for entry in log}) == 6
        assert logged_store.history(limit=2) == log[:2]
        assert [entry.action for entry in logged_store.history(identity="bob")] == ["move", "enrol"]
        assert [entry.undoable for entry in log] == [False, False, False, False, True, False]

    def test_an_enrolment_is_taken_back(self, logged_store: LoggedStore) -> None:
        """If this fails: more or less goes than that enrolment added."""
        logged_store.enrol("ann", directions(2), metadata={"team": "red"})
        before = everything(logged_store)
        logged_store.enrol("ann", axis(3))
        logged_store.enrol("bob", axis(1))
        for _ in range(2):
            latest = next(entry for entry in logged_store.history() if entry.undoable)
            entry = logged_store.undo(latest.number)
            assert (entry.action, entry.samples, entry.undoes) == ("undo", 1, latest.number)
        assert everything(logged_store) == before
        with pytest.raises(StoreError, match=f"entry {latest.number} cannot be undone"):
            logged_store.undo(latest.number)

    def test_a_former_name_returns(self, logged_store: LoggedStore) -> None:
        """If this fails: a wrong rename stays, or its undoing takes someone's name."""
        logged_store.enrol("ann", axis(0))
        logged_store.rename("ann", "bob")
        [entry] = logged_store.history(limit=1)
        logged_store.enrol("ann", axis(1))
        with pytest.raises(StoreError, match="'ann' is another identity already"):
            logged_store.undo(entry.number)
        logged_store.forget("ann")
        with pytest.raises(StoreError, match="cannot be undone"):
            # Whoever forgets a name forgets it wherever it is kept.
            logged_store.undo(entry.number)
        logged_store.rename("bob", "cid")
        logged_store.undo(logged_store.history(limit=1)[0].number)
        assert names(logged_store, axis(0)) == ["bob"]

    def test_two_who_were_made_one_are_two_again(self, logged_store: LoggedStore) -> None:
        """If this fails: a wrong merge cannot be taken back whole."""
        logged_store.enrol("ann", directions(3), keys=list("abc"), metadata={"team": "red"})
        logged_store.enrol("bob", axis(3), keys=["c"], metadata={"team": "blue"})
        ann, bob = held(logged_store, "ann"), held(logged_store, "bob")
        logged_store.transfer("ann", "bob")
        [entry] = logged_store.history(limit=1)
        logged_store.enrol("bob", axis(2))
        assert logged_store.undo(entry.number).samples == 3
        again = held(logged_store, "ann")
        assert (again.samples, again.metadata) == (3, {"team": "red"})
        assert [sample.key for sample in logged_store.holdings("ann")][:2] == ["a", "b"]
        assert held(logged_store, "bob").metadata == bob.metadata
        assert held(logged_store, "bob").samples == 2
        assert float(again.centroid @ ann.centroid) > 0.5

    def test_moved_samples_go_back(self, logged_store: LoggedStore) -> None:
        """If this fails: the undoing of a move leaves samples or templates as they were after
        it."""
        logged_store.enrol("ann", directions(3), weights=[0.1, 0.3, 0.2])
        numbers = [sample.number for sample in logged_store.holdings("ann")]
        logged_store.transfer("ann", "bob", samples=numbers[:2])
        [entry] = logged_store.history(limit=1)
        logged_store.undo(entry.number, template=heaviest)
        assert [sample.number for sample in logged_store.holdings("ann")] == numbers
        assert logged_store.get("bob") is None
        np.testing.assert_allclose(held(logged_store, "ann").centroid, directions(3)[1], atol=1e-6)

    def test_what_is_done_for_good_is_said(self, logged_store: LoggedStore) -> None:
        """If this fails: an undoing is promised that cannot be, or changes something all the
        same."""
        logged_store.enrol("ann", directions(2))
        numbers = [sample.number for sample in logged_store.holdings("ann")]
        logged_store.erase("ann", numbers[:1])
        [entry] = logged_store.history(limit=1)
        before = everything(logged_store)
        with pytest.raises(StoreError, match="done for good"):
            logged_store.undo(entry.number)
        with pytest.raises(StoreError, match="the log has no entry 1000000000"):
            logged_store.undo(10**9)
        assert everything(logged_store) == before
