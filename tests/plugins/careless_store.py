"""A store plugin on SQLite that is careful, or makes a mistake for the fault harness to find."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from facenet.gallery import checked_embeddings, checked_weights, weighted_sum
from facenet.hookspecs import hookimpl
from facenet.stores import IdentityRecord, Match, Receipt, Samples, StoreStats
from facenet.testing.galleries import unit
from facenet.types import PluginInfo

CREATE = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS samples (
    number INTEGER PRIMARY KEY, identity TEXT, key TEXT, embedding BLOB, weight REAL,
    UNIQUE (identity, key)
)
"""
ADD = "INSERT OR IGNORE INTO samples (identity, key, embedding, weight) VALUES (?, ?, ?, ?)"


class Options(BaseModel):
    path: Path
    mistake: Literal["none", "early", "halves"] = "none"


class CarelessStore:
    def __init__(self, options: Options, embedding_dim: int, space: str) -> None:
        self._options, self._dim, self._space = options, embedding_dim, space
        with closing(self._connection()) as connection:
            connection.executescript(CREATE)

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self._options.path, timeout=60, isolation_level=None)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with closing(self._connection()) as connection:
            return connection.execute(query, values).fetchall()

    def enrol(self, identity, embeddings, *, keys, weights=None, metadata=None, template=None):
        vectors = checked_embeddings(embeddings, self._dim)
        amounts = checked_weights(weights, len(vectors)).tolist()
        samples = [
            (identity, key, vector.tobytes(), weight)
            for key, vector, weight in zip(keys, vectors, amounts, strict=True)
        ]
        if self._options.mistake != "early":
            return self._write(samples)
        held = {
            key for (key,) in self._rows("SELECT key FROM samples WHERE identity = ?", identity)
        }
        threading.Thread(target=self._write, args=[samples, 0.05]).start()
        return len(set(keys) - held)

    def _write(self, samples: list[Any], delay: float = 0) -> int:
        time.sleep(delay)
        added = 0
        with closing(self._connection()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for sample in samples:
                added += connection.execute(ADD, sample).rowcount
                if self._options.mistake == "halves":
                    connection.execute("COMMIT")
                    connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        return added

    def samples(self, identity):
        query = "SELECT embedding, weight FROM samples WHERE identity = ? ORDER BY number"
        held = self._rows(query, identity)
        vectors = np.array([np.frombuffer(blob, np.float32) for blob, _ in held], np.float32)
        weights = np.array([weight for _, weight in held], np.float32)
        return Samples(vectors.reshape(-1, self._dim), weights)

    def get(self, identity):
        held = self.samples(identity)
        if not len(held.weights):
            return None
        return IdentityRecord(identity, len(held.weights), unit(weighted_sum(held)), {})

    def identities(self):
        names = self._rows("SELECT DISTINCT identity FROM samples ORDER BY identity")
        return iter([self.get(name) for (name,) in names])

    def search(self, probes, *, top_k=5, min_similarity=-1.0):
        matches = [Match(record.identity, 1.0, record.samples) for record in self.identities()]
        return [matches[:top_k] for _ in np.atleast_2d(probes)]

    def forget(self, identity):
        with closing(self._connection()) as connection:
            gone = connection.execute("DELETE FROM samples WHERE identity = ?", [identity])
            return Receipt(identity, gone.rowcount, datetime.now(UTC))

    def count(self):
        return self.stats().identities

    def stats(self):
        [counts] = self._rows("SELECT count(DISTINCT identity), count(*) FROM samples")
        return StoreStats("SQLite", *counts, self._dim, self._space)

    def close(self):
        """Nothing is held open."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@hookimpl
def facenet_info():
    return PluginInfo(summary="A test", licence="MIT", options=Options)


@hookimpl
def make_store(options, embedding_dim, space):
    return CarelessStore(options, embedding_dim, space)
