"""The milvus store: options, what a crash and a purge leave, and a Milvus that cannot be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facenet.errors import ConfigError, StoreError, StoreUnavailable
from facenet.plugins import Registry
from facenet.recognition import audit
from facenet.testing.galleries import axis, directions, everything, heaviest, held, names, unit

if TYPE_CHECKING:
    from facenet_milvus.store import MilvusStore

pytest.importorskip("pymilvus", reason="needs facenet-kit[milvus]")

CHILD = """
import os, signal, sys
from facenet.errors import StoreError
from facenet.plugins import Registry
from facenet.testing.galleries import axis, directions
plugin = Registry().load("store", "milvus")
def open_store():
    return plugin.make_from({"uri": sys.argv[1]}, embedding_dim=4, space="s")
def die(*given, **named):
    os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_ENROLMENT = """
store = open_store()
from facenet_milvus.place import Place
upsert = Place.upsert
Place.upsert = lambda place, to, rows: (die if "identities" in to else upsert)(place, to, rows)
store.enrol(sys.argv[2], directions(2, seed=1), keys=["d", "e"])
"""
KILLED_FORGETTING = """
store = open_store()
from facenet_milvus.place import Place
erase = Place.erase
Place.erase = lambda place, of, *ids, **which: (die if "samples" in of else erase)(place, of, *ids)
store.forget("ann")
"""


def open_store(uri: Path | str, *, space: str = "s", dim: int = 4, **options: Any) -> MilvusStore:
    plugin = Registry().load("store", "milvus")
    return plugin.make_from({"uri": str(uri), **options}, embedding_dim=dim, space=space)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / "faces.db"


def run_child(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """milvus-lite over TCP: as much of a server as there is without one."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    served, database, port = start_server_in_thread(str(tmp_path / "served"))
    yield f"http://127.0.0.1:{port}"
    served.stop(grace=1).wait()
    database.close()


def test_a_folder_is_beside_the_configuration(tmp_path: Path) -> None:
    plugin = Registry().load("store", "milvus")
    for given, expected in (({}, ".facenet/milvus.db"), ({"uri": "./faces.db"}, "faces.db")):
        assert plugin.parse_options(given, {"config_dir": tmp_path}).uri == str(tmp_path / expected)
    assert plugin.parse_options({"uri": "/faces.db"}, {"config_dir": tmp_path}).uri == "/faces.db"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"uri": "ftp://host"}, "ftp://host is no address of a Milvus: write http://HOST:19530"),
        ({"uri": "http://"}, "is no address"),
        ({"uri": "http://root:secret@host"}, "holds a login: give it as token, user:password"),
        ({"uri": "faces.db", "token": "secret"}, "token has no meaning without a server's address"),
        ({"collection": "fa-ces"}, "'fa-ces' is no collection name"),
        ({"consistency": "strong"}, "'Strong'"),
        ({"index": "IVF"}, "'FLAT' or 'HNSW'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Registry().load("store", "milvus").make_from(options, embedding_dim=4, space="s")
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("identity", ["ann", "new"])
def test_an_enrolment_that_was_killed_is_found_and_put_right(folder: Path, identity: str) -> None:
    with open_store(folder) as store:
        store.enrol("ann", directions(3), keys=list("abc"), weights=[1, 0.5, 0.25])
        before = everything(store)
    assert run_child(KILLED_ENROLMENT, folder, identity).returncode == -signal.SIGKILL
    with open_store(folder) as store:
        found = audit(store, repair=True)
        kinds = [finding.kind for finding in found.findings]
        assert audit(store).findings == ()
        if identity == "new":  # Nobody was told that they are enrolled.
            assert kinds == ["orphans"]
            assert everything(store) == before
            assert store.stats().samples == 3
        else:
            assert kinds == ["counts"]
            record, samples = held(store, "ann"), store.samples("ann")
            assert record.samples == len(samples.weights) == 5
            mean = unit(samples.weights @ samples.embeddings)
            np.testing.assert_allclose(record.centroid, mean, atol=1e-6)
        assert found.open == 0


@pytest.mark.parametrize("identity", ["ann", "new"])
@pytest.mark.parametrize("template", [None, heaviest], ids=["mean", "heaviest"])
def test_an_enrolment_that_was_killed_may_be_repeated(
    folder: Path, identity: str, template: Any
) -> None:
    with open_store(folder) as store:
        store.enrol("ann", directions(3), keys=list("abc"), weights=[1, 0.5, 0.25])
    run_child(KILLED_ENROLMENT, folder, identity)
    with open_store(folder) as store:
        store.enrol(identity, directions(2, seed=1), keys=["d", "e"], template=template)
        assert held(store, identity).samples == len(store.samples(identity).weights)
        assert {finding.kind for finding in store.check()} <= {"orphans"}
        store.enrol(identity, directions(2, seed=1), keys=["d", "e"])
        samples = store.samples(identity)
        mean = unit(samples.weights @ samples.embeddings)
        np.testing.assert_allclose(held(store, identity).centroid, mean, atol=1e-6)


def test_a_forgetting_that_was_killed_leaves_nothing_to_be_found(folder: Path) -> None:
    with open_store(folder) as store:
        store.enrol("ann", directions(3), keys=list("abc"))
        store.enrol("bob", axis(1))
    assert run_child(KILLED_FORGETTING, folder).returncode == -signal.SIGKILL
    with open_store(folder) as store:
        assert names(store, axis(0)) == ["bob"]
        assert store.enrol("ann", axis(0), keys=["a"]) == 1
        assert len(store.samples("ann").weights) == 1
        assert [finding.kind for finding in store.check()] == ["orphans"]
        [finding] = store.check(repair=True)
        assert (finding.kind, finding.repaired) == ("orphans", True)
        assert finding.text.startswith("3 samples of row ")
        assert list(store.check()) == []
        assert store.stats().samples == 2


def test_a_forgetting_that_was_killed_may_be_repeated(folder: Path) -> None:
    with open_store(folder) as store:
        store.enrol("ann", directions(3))
        store.enrol("ann ", axis(1))
    run_child(KILLED_FORGETTING, folder)
    with open_store(folder) as store:
        assert store.forget("ann").samples == 3
        assert (store.stats().samples, list(store.check())) == (1, [])


def test_a_wrong_sum_is_found_and_put_right(folder: Path) -> None:
    with open_store(folder) as store:
        store.enrol("ann", directions(3))
        before = everything(store)
        place, gallery = store._place, store._gallery
        [row] = place.client.query(gallery.identities, filter='name == "ann"', output_fields=["*"])
        place.upsert(gallery.identities, [row | {"total": [1.0, 2.0, 3.0, 4.0]}])
        [finding] = store.check(repair=True)
        assert "has a sum that is" in finding.text
        assert list(store.check()) == []
        assert everything(store) == before


def test_another_process_is_refused_in_one_line(folder: Path) -> None:
    script = "\ntry:\n    open_store()\nexcept StoreError as error:\n    print(error)"
    with open_store(folder) as store:
        ran = run_child(script, folder)
        assert ran.stdout.startswith(f"{folder} is open in another process: milvus-lite serves")
        assert (ran.stdout.count("\n"), ran.stderr, ran.returncode) == (1, "", 0)
        store.enrol("ann", axis(0))
    assert run_child("\nopen_store().close()", folder).stderr == ""


def test_nobody_else_can_enter_the_folder_or_the_socket(folder: Path) -> None:
    from facenet_milvus import local

    with open_store(folder):
        [running] = local._all.values()
        socket = Path(running.address.removeprefix("unix:"))
        assert [path.stat().st_mode & 0o077 for path in (folder, socket.parent)] == [0, 0]
    assert not socket.parent.exists()


def test_folders_of_something_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file.db").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(StoreError, match=r"file\.db is a file"):
        open_store(tmp_path / "file.db")
    with pytest.raises(StoreError, match="other holds something else than a Milvus"):
        open_store(tmp_path / "other")
    assert os.listdir(tmp_path / "other") == ["notes.txt"]


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from facenet_milvus import place

    monkeypatch.setattr(place, "CONNECT_SECONDS", 0.5)
    with pytest.raises(StoreUnavailable) as caught:
        open_store("http://127.0.0.1:1", token="root:secret")
    text = str(caught.value)
    assert text.startswith("Milvus at http://127.0.0.1:1 cannot be reached: ")
    assert "check the store's uri" in text
    assert "secret" not in text
    assert "\n" not in text


def test_a_server_that_goes_away_is_named(server: str, request: pytest.FixtureRequest) -> None:
    from facenet_milvus import place

    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(place, "CALL_SECONDS", 1.0)
    with open_store("http://localhost:" + server.rpartition(":")[2]) as store:
        store._place.client._handler._channel.close()
        with pytest.raises(StoreUnavailable, match="Milvus at http://localhost") as caught:
            store.count()
    assert "\n" not in str(caught.value)


def test_two_clients_of_a_server_share_a_gallery(server: str) -> None:
    script = "\nstore = open_store()\nstore.enrol('bob', axis(1))\nstore.close()"
    with open_store(server, consistency="Session") as store:
        store.enrol("ann", axis(0), metadata={"team": "red"})
        assert run_child(script, server).returncode == 0
        assert names(store, axis(0)) == ["ann", "bob"]
        assert store.stats().backend.startswith(f"milvus (Milvus at {server}, ")
        store.forget("ann")
        store.purge()
        assert names(store, axis(0)) == ["bob"]
    with pytest.raises(StoreError, match=r"bound to embedding space 's' of dimension 4.*'t'"):
        open_store(server, space="t")


def bytes_of(folder: Path) -> bytes:
    """All that its files hold, what is compressed in them uncompressed."""
    import pyarrow
    from pyarrow import parquet

    content = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            table = parquet.read_table(path).combine_chunks()
            sink = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            content.append(sink.getvalue().to_pybytes())
        if path.is_file():
            content.append(path.read_bytes())
    return b"".join(content)


@pytest.fixture
def erased(folder: Path) -> tuple[bytes, ...]:
    """What was known of someone who was forgotten, after it was written to files."""
    random = np.random.default_rng(0)
    texts = [[random.bytes(20).hex() for _ in range(3)] for _ in range(30)]
    with open_store(folder, dim=64) as store:
        for name, key, note in texts:
            vector = random.standard_normal(64).astype(np.float32)
            store.enrol(name, vector, keys=[key], metadata={"note": note})
        erased = texts[7]
        vector = held(store, erased[0]).centroid
    with open_store(folder, dim=64) as store:
        assert store.forget(erased[0]).samples == 1
    return (vector.tobytes(), *(text.encode() for text in erased))


def test_milvus_keeps_what_was_forgotten_until_it_is_purged(
    folder: Path, erased: tuple[bytes, ...]
) -> None:
    assert all(canary in bytes_of(folder) for canary in erased)
    with open_store(folder, dim=64) as store:
        before = everything(store)
        store.purge()
        assert everything(store) == before
        assert not any(canary in bytes_of(folder) for canary in erased)
    with open_store(folder, dim=64) as store:
        assert everything(store) == before
        assert list(store.check()) == []
    assert not any(canary in bytes_of(folder) for canary in erased)


@pytest.mark.parametrize("call", ["flush", "rename_collection", "drop_collection"])
def test_a_purge_that_was_ended_loses_nobody(
    folder: Path, erased: tuple[bytes, ...], call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(folder, dim=64) as store:
        before = everything(store)
        client = store._place.client
        made = getattr(client, call)
        times = iter([True, False] if call == "rename_collection" else [False])

        def fail_at_last(*given: Any, **named: Any) -> Any:
            if not next(times):
                raise KeyboardInterrupt
            return made(*given, **named)

        monkeypatch.setattr(client, call, fail_at_last)
        with pytest.raises(KeyboardInterrupt):
            store.purge()
    with open_store(folder, dim=64) as store:
        assert everything(store) == before
        store.purge()
        assert everything(store) == before
    assert not any(canary in bytes_of(folder) for canary in erased)


def test_more_matches_than_milvus_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facenet_milvus import nearest

    monkeypatch.setattr(nearest, "MOST", 16)
    gallery, probes = unit(directions(60)), directions(3, seed=1)
    with open_store(folder) as store:
        for number, vector in enumerate(gallery):
            store.enrol(
                f"{number:02}", vector, metadata={"odd": number % 2, "even": number % 2 < 1}
            )
        similarity = probes.astype(np.float64) @ gallery.T.astype(np.float64)
        for top_k, where, some in (
            (30, None, slice(None)),
            (9, {"odd": 1}, slice(1, None, 2)),
            (9, {"even": True}, slice(0, None, 2)),
        ):
            found = store.search(probes, top_k=top_k, where=where)
            for row, matches in zip(similarity, found, strict=True):
                order = np.arange(60)[some][np.argsort(-row[some])][:top_k]
                assert [match.identity for match in matches] == [f"{place:02}" for place in order]
        store.enrol("least", -probes[0])
        assert names(store, probes[0], top_k=100, min_similarity=0.5) == [
            f"{place:02}" for place in np.argsort(-similarity[0]) if similarity[0][place] >= 0.5
        ]


def test_more_ties_than_were_fetched(folder: Path) -> None:
    with open_store(folder) as store:
        for number in reversed(range(40)):
            store.enrol(f"{number:02}", axis(0))
        assert names(store, axis(0), top_k=3) == ["00", "01", "02"]


def test_another_index_gives_the_same_people(folder: Path) -> None:
    gallery = unit(np.random.default_rng(0).standard_normal((300, 4)))
    with open_store(folder) as store:
        for number, vector in enumerate(gallery):
            store.enrol(f"{number:03}", vector)
        exact = store.search(gallery[:20], top_k=3)
    for index in ("HNSW", "FLAT"):
        with open_store(folder, index=index) as store:
            assert store.stats().backend.endswith(f", {index})")
            assert store.search(gallery[:20], top_k=3) == exact


def test_what_is_too_large_for_milvus_is_refused(folder: Path) -> None:
    large = "é" * 40_000
    with open_store(folder) as store:
        for name, more in (
            (large, {}),
            ("ann", {"keys": [large]}),
            ("ann", {"metadata": {"note": large}}),
            ("ann", {"metadata": {"number": 10**20}}),
        ):
            with pytest.raises(StoreError, match=r"Milvus keeps (at most 65,535|integers)"):
                store.enrol(name, axis(0), **more)
        assert (store.count(), store.stats().samples) == (0, 0)
        with pytest.raises(StoreError, match="takes at most 4096"):
            open_store(folder, dim=5000)
