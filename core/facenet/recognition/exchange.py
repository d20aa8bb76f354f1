"""Galleries as files that other programs read: a line or a row for each sample, with its vector."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facenet.curated_stores import CuratedStore
from facenet.errors import FacenetError, RequestError
from facenet.paths import whole_file
from facenet.recognition.abilities import curated
from facenet.recognition.bulk import batches_of
from facenet.recognition.enrolment import template_of
from facenet.recognition.recognizer import Recognizer
from facenet.stores import Addition, BulkStore
from facenet.types import Progress
from facenet.validation import config_error

SAMPLES_AT_ONCE = 1000
INSTALL = "pip install 'facenet-kit[parquet]'"


class Row(BaseModel):
    """A sample: whose it is and what is kept beside that identity, its vector of unit length, how
    much it counts, its key, and its aligned face, a PNG file in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str
    identity: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    embedding: list[float]
    weight: float = 1.0
    key: str | None = None
    crop: str | None = None


def export_gallery(
    recognizer: Recognizer, path: Path, *, crops: bool = False, progress: Progress | None = None
) -> int:
    """Write every sample to a file, .jsonl or .parquet; how many there are.

    The aligned faces that are kept are left out unless `crops` asks for them. The file is readable
    by its owner alone, and is there whole or not at all. Raises `RequestError` for another ending,
    for an empty gallery, and where the store cannot tell; `FacenetError` when the file cannot be
    written.
    """
    store = curated(recognizer)
    writer = _writers(path)
    written, total = 0, store.stats().samples
    if not total:
        raise RequestError(f"the gallery is empty: nothing to write to {path}")
    with whole_file(path) as partial:
        partial.touch(mode=0o600)
        with writer(partial) as write:
            for rows in batches_of(_rows(store, recognizer.model.card.space, crops), 100):
                write(rows)
                written += len(rows)
                if progress:
                    progress(written, max(written, total))
    return written


def import_gallery(
    recognizer: Recognizer, path: Path, *, progress: Progress | None = None
) -> tuple[int, int]:
    """Enrol every sample of a file that `export_gallery` wrote; how many it has, and how many are
    new.

    A sample whose key its identity holds is not added again, so that a run which was ended can be
    made once more. Raises `RequestError` for a row that is wrong or of another embedding space, by
    its number, before anything is enrolled.
    """
    store = recognizer.store
    if not isinstance(store, BulkStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} cannot enrol many at once: use one that "
            "can, such as pgvector"
        )
    template, space = template_of(recognizer.config), recognizer.model.card.space
    for _ in _checked(path, _readers(path), space):
        pass
    read = added = 0
    for rows in batches_of(_checked(path, _readers(path), space), SAMPLES_AT_ONCE):
        additions = [
            _addition(identity, list(theirs))
            for identity, theirs in groupby(rows, attrgetter("identity"))
        ]
        added += sum(store.enrol_many(additions, template=template))
        read += len(rows)
        if progress:
            progress(read, read)
    return read, added


def _rows(store: CuratedStore, space: str, crops: bool) -> Iterator[Row]:
    for record in store.identities():
        for sample in store.holdings(record.identity):
            kept = sample.crop if crops else None
            yield Row(
                space=space,
                identity=record.identity,
                metadata=dict(record.metadata),
                embedding=sample.embedding.tolist(),
                weight=sample.weight,
                key=sample.key,
                crop=None if kept is None else base64.b64encode(kept).decode(),
            )


def _addition(identity: str, rows: list[Row]) -> Addition:
    """Samples without a key get one of their vector, so that a file can be given again."""
    crops = [None if row.crop is None else base64.b64decode(row.crop) for row in rows]
    return Addition(
        identity,
        np.array([row.embedding for row in rows], np.float32),
        keys=[row.key or _digest(row.embedding) for row in rows],
        metadata=rows[0].metadata,
        weights=[row.weight for row in rows],
        crops=crops if any(crop is not None for crop in crops) else None,
    )


def _digest(embedding: list[float]) -> str:
    return sha256(np.array(embedding, np.float32).tobytes()).hexdigest()


def _checked(path: Path, values: Iterator[Any], space: str) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        where = f"{path}, row {number}"
        try:
            row = Row.model_validate(value)
        except ValidationError as error:
            raise RequestError(str(config_error(error, Row, where))) from error
        if row.space != space:
            raise RequestError(
                f"{where}: is of embedding space {row.space!r}, the model gives {space!r}: "
                "import it with the model that it was exported with"
            )
        yield row


Writer = Callable[[Path], AbstractContextManager[Callable[[list[Row]], None]]]


def _writers(path: Path) -> Writer:
    return {".jsonl": _jsonl_writer, ".parquet": _parquet_writer}[_ending(path)]


def _readers(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise RequestError(f"{path}: no such file; name one that 'facenet store export' wrote")
    return {".jsonl": _read_jsonl, ".parquet": _read_parquet}[_ending(path)](path)


def _ending(path: Path) -> str:
    if path.suffix not in (".jsonl", ".parquet"):
        raise RequestError(f"{path}: its name must end in .jsonl or .parquet")
    return path.suffix


@contextmanager
def _jsonl_writer(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda rows: file.writelines(f"{row.model_dump_json()}\n" for row in rows)


def _read_jsonl(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RequestError(f"{path}, row {number}: not valid JSON: {error}") from error


def _arrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise FacenetError(f"Parquet files need pyarrow: {INSTALL}") from error
    return pyarrow


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    arrow = _arrow()
    texts = {name: arrow.string() for name in ("space", "identity", "metadata")}
    schema = arrow.schema(
        texts
        | {
            "embedding": arrow.list_(arrow.float32()),
            "weight": arrow.float32(),
            "key": arrow.string(),
            "crop": arrow.string(),
        }
    )
    with arrow.parquet.ParquetWriter(path, schema) as file:

        def write(rows: list[Row]) -> None:
            values = [row.model_dump() | {"metadata": json.dumps(row.metadata)} for row in rows]
            file.write_table(arrow.Table.from_pylist(values, schema))

        yield write


def _read_parquet(path: Path) -> Iterator[Any]:
    arrow = _arrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(SAMPLES_AT_ONCE):
                for value in batch.to_pylist():
                    yield _with_metadata(value)
    except arrow.ArrowException as error:
        raise RequestError(f"{path}: not a Parquet file that can be read: {error}") from error


def _with_metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    text = value.get("metadata")
    return {**value, "metadata": json.loads(text) if text else {}}
