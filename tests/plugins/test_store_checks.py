"""What an audit finds in a PostgreSQL gallery that was damaged by SQL, and puts right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facenet.recognition import Audit, audit
from facenet.stores import CheckedStore
from facenet.testing.galleries import axis, directions, everything, heaviest, held, names, unit

from .postgres import TcpServer, open_store

if TYPE_CHECKING:
    from facenet.stores import Store

psycopg = pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")

Damage = Callable[[str], None]


@pytest.fixture
def options(tcp_server: TcpServer) -> dict[str, Any]:
    return tcp_server.options()


@pytest.fixture
def store(options: dict[str, Any]):
    with open_store(**options) as store:
        store.enrol("ann", directions(3), keys=list("abc"), weights=[1, 0.5, 0.25])
        store.enrol("bob", directions(2, seed=1), keys=list("de"))
        yield store


@pytest.fixture
def damage(tcp_server: TcpServer, options: dict[str, Any]) -> Damage:
    """Run SQL past the store; {t} is the table."""

    def run(statements: str) -> None:
        with tcp_server.connect() as connection:
            connection.execute(statements.format(t=options["table"]))

    return run


def kinds(found: Audit) -> list[str]:
    return sorted({finding.kind for finding in found.findings})


def check_repaired(store: Store, before: Any) -> None:
    """Nothing is wrong any more, and the gallery is what it was."""
    assert audit(store).findings == ()
    assert everything(store) == before


def test_the_store_can_be_checked(store: Store) -> None:
    assert isinstance(store, CheckedStore)


def test_nothing_is_wrong_with_a_sound_gallery(store: Store) -> None:
    store.enrol("carl", directions(50, seed=2), template=None)
    store.forget("bob")
    found = audit(store)
    assert (found.findings, found.identities, found.samples) == ((), 2, 53)
    assert found.whole
    assert found.largest_drift < 1e-6


DAMAGES = {
    "a template that drifted": (
        "UPDATE {t}_identities SET centroid = '[1,0,0,0]' WHERE name = 'ann'",
        ["drift"],
        "'ann' has a template that is .* off what its samples make",
    ),
    "a template that has another length": (
        "UPDATE {t}_identities SET centroid = array_fill(2, ARRAY[4])::vector * centroid"
        " WHERE name = 'ann'",
        ["drift"],
        "'ann' has a template",
    ),
    "a wrong count": (
        "UPDATE {t}_identities SET samples = 7 WHERE name = 'ann'",
        ["counts"],
        "'ann' counts 7 samples, but holds 3",
    ),
    "a wrong sum": (
        "UPDATE {t}_identities SET vector_sum = '[1,0,0,0]' WHERE name = 'ann'",
        ["counts"],
        "'ann' has a sum that is .* off that of its 3 samples",
    ),
    "an identity without samples": (
        "INSERT INTO {t}_identities (name, name_digest, samples, vector_sum, centroid, metadata)"
        " VALUES ('carl', sha256('carl'), 0, '[1,0,0,0]', '[1,0,0,0]', '{{}}')",
        ["empty"],
        "'carl' has no samples",
    ),
    "an identity that no call finds": (
        "UPDATE {t}_identities SET name_digest = sha256('carl') WHERE name = 'ann'",
        ["names"],
        "'ann' is filed under another name",
    ),
    "samples of nobody": (
        "SET session_replication_role = replica;"
        "INSERT INTO {t} (identity_id, embedding, crop) VALUES (99, '[1,0,0,0]', 'x'),"
        " (99, '[0,1,0,0]', 'y')",
        ["orphans"],
        "2 samples of row 99, which is no identity",
    ),
    "a lost uniqueness": (
        "ALTER TABLE {t} DROP CONSTRAINT {t}_identity_id_key_digest_key",
        ["structure"],
        r"has lost UNIQUE \(identity_id, key_digest\)",
    ),
    "a lost reference": (
        "ALTER TABLE {t} DROP CONSTRAINT {t}_identity_id_fkey",
        ["structure"],
        r"has lost FOREIGN KEY \(identity_id\).* ON DELETE CASCADE",
    ),
    "a lost index": (
        "DROP INDEX {t}_identities_changed_idx",
        ["structure"],
        r"has lost its index by btree \(changed\)",
    ),
    "triggers that are switched off": (
        "ALTER TABLE {t}_identities DISABLE TRIGGER ALL",
        ["structure"],
        "triggers that are switched off",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_found_and_repaired(store: Store, damage: Damage, name: str) -> None:
    statements, expected, message = DAMAGES[name]
    before = everything(store)
    damage(statements)
    for repair in (False, False, True):  # looking repairs nothing
        found = audit(store, repair=repair)
        assert set(kinds(found)) >= set(expected)
        assert all(finding.repaired == repair for finding in found.findings)
        assert found.open == (0 if repair else len(found.findings))
        [first] = [finding for finding in found.findings if finding.kind == expected[0]]

        assert re.search(message, first.text)
    check_repaired(store, before)


def test_a_repaired_structure_holds_again(store: Store, damage: Damage) -> None:
    damage("ALTER TABLE {t} DROP CONSTRAINT {t}_identity_id_key_digest_key")
    audit(store, repair=True)
    with pytest.raises(psycopg.errors.UniqueViolation):
        damage(
            "INSERT INTO {t} (identity_id, embedding, key, key_digest)"
            " SELECT identity_id, embedding, key, key_digest FROM {t}"
        )


def test_samples_without_direction_go_and_others_are_scaled(store: Store, damage: Damage) -> None:
    before = store.samples("ann").embeddings
    damage("UPDATE {t} SET embedding = '[0,0,0,0]' WHERE key = 'a'")
    damage("UPDATE {t} SET embedding = array_fill(3, ARRAY[4])::vector * embedding WHERE key = 'b'")
    [first, *_] = audit(store).findings
    assert first.kind == "vectors"
    assert "'ann' holds 2 samples not of unit length" in first.text
    assert audit(store, repair=True).open == 0
    assert audit(store).findings == ()
    samples = store.samples("ann")
    np.testing.assert_allclose(samples.embeddings, before[1:], atol=1e-6)
    mean = unit(samples.weights @ samples.embeddings)
    np.testing.assert_allclose(held(store, "ann").centroid, mean, atol=1e-6)
    assert store.enrol("ann", before[:1], keys=["a"]) == 1


def test_an_identity_that_loses_all_its_samples_is_forgotten(store: Store, damage: Damage) -> None:
    damage("UPDATE {t} SET embedding = '[0,0,0,0]' WHERE key IN ('d', 'e')")
    audit(store, repair=True)
    assert audit(store).findings == ()
    assert [record.identity for record in store.identities()] == ["ann"]


@pytest.mark.filterwarnings("error")
def test_huge_numbers_do_not_stop_an_audit(store: Store, damage: Damage) -> None:
    damage("UPDATE {t} SET embedding = '[3e38,3e38,3e38,3e38]' WHERE key IN ('a', 'b')")
    assert "vectors" in kinds(audit(store))
    assert audit(store, repair=True).open == 0
    assert audit(store).findings == ()


def test_keys_and_vectors_under_two_names_are_shown_and_left(store: Store) -> None:
    store.enrol("carl", directions(2), keys=["a", "x"])
    store.enrol("dora", directions(1), keys=["y"])
    for repair in (False, True):
        found = audit(store, repair=repair)
        assert {(finding.identities, finding.text) for finding in found.findings} == {
            (("ann", "carl"), "'ann', 'carl' share 1 key"),
            (("ann", "carl"), "'ann', 'carl' share 1 vector"),
            (("ann", "carl", "dora"), "'ann', 'carl', 'dora' share 1 vector"),
        }
        assert found.open == len(found.findings) == 3
    assert store.stats().samples == 8


def test_what_cannot_be_had_again_says_why(store: Store, damage: Damage) -> None:
    damage(
        "ALTER TABLE {t} DROP CONSTRAINT {t}_identity_id_key_digest_key;"
        "INSERT INTO {t} (identity_id, embedding, key, key_digest)"
        " SELECT identity_id, embedding, key, key_digest FROM {t} WHERE key = 'a'"
    )
    found = audit(store, repair=True)
    [lost] = [finding for finding in found.findings if finding.kind == "structure"]
    assert not lost.repaired
    assert "it cannot be had again: could not create unique index" in lost.text


def test_a_repair_is_seen_by_a_search_at_once(store: Store, damage: Damage) -> None:
    damage("UPDATE {t}_identities SET centroid = '[0,0,0,1]' WHERE name = 'ann'")
    assert names(store, axis(3), min_similarity=0.999) == ["ann"]
    audit(store, repair=True)
    assert names(store, axis(3), min_similarity=0.999) == []


def test_a_template_of_another_kind_is_drift_until_it_is_made_anew(store: Store) -> None:
    assert audit(store).findings == ()
    found = audit(store, template=heaviest)
    assert kinds(found) == ["drift"]
    assert audit(store, template=heaviest, repair=True).open == 0
    assert audit(store, template=heaviest).findings == ()
    np.testing.assert_allclose(held(store, "ann").centroid, directions(3)[0], atol=1e-6)


def test_an_audit_stops_when_it_is_asked(store: Store) -> None:
    seen: list[tuple[int, int]] = []
    found = audit(
        store, progress=lambda done, total: seen.append((done, total)), stop=lambda: bool(seen)
    )
    assert seen == [(1, 2)]
    assert (found.whole, found.identities) == (False, 1)


def test_a_user_who_may_only_read_can_audit(
    store: Store, tcp_server: TcpServer, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    table = options["table"]
    with tcp_server.connect() as connection:
        connection.execute(
            f"CREATE ROLE reader_{table} LOGIN PASSWORD 'r';"
            f"GRANT SELECT ON {table}, {table}_identities, {table}_meta, {table}_forgotten"
            f" TO reader_{table}; REVOKE TEMPORARY ON DATABASE facenet FROM PUBLIC"
        )
    guest = options | {"user": f"reader_{table}", "password": "r"}
    with open_store(**guest) as reading:
        assert audit(reading).samples == 5
    assert "constraints and indexes were not looked at" in caplog.text
    with tcp_server.connect() as connection:
        connection.execute("GRANT TEMPORARY ON DATABASE facenet TO PUBLIC")
