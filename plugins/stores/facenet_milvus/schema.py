"""The collections of a gallery: made when they are missing, bound to one embedding space.

An identity is one row, which is replaced in one write; a sample names the identity's `row`, not its
name, so that what a crash leaves of someone never meets a namesake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymilvus import DataType, MilvusClient

from facenet.errors import StoreError
from facenet_milvus import purging
from facenet_milvus.failures import working
from facenet_milvus.place import CALL_SECONDS, LONG_SECONDS, Place

if TYPE_CHECKING:
    from pymilvus import CollectionSchema
    from pymilvus.milvus_client import IndexParams

SCHEMA_VERSION = 1
LONGEST_TEXT = 65_535
"""Bytes of a VARCHAR or a JSON in Milvus."""
LARGEST_DIMENSION = 4096
"""Of the sum of an identity's samples, an array."""
LINKS, BUILD_WIDTH, LEAST_WIDTH = 32, 200, 128
_BINDING = "binding"


@dataclass(frozen=True)
class Gallery:
    """Names of the collections, and what they are bound to."""

    collection: str
    dim: int
    space: str
    index: str

    @property
    def identities(self) -> str:
        return f"{self.collection}_identities"

    @property
    def samples(self) -> str:
        return f"{self.collection}_samples"

    @property
    def meta(self) -> str:
        return f"{self.collection}_meta"

    def search_parameters(self, limit: int) -> dict[str, Any]:
        """A graph's width, which must not be less than what is asked for."""
        return {"ef": max(2 * limit, LEAST_WIDTH)} if self.index == "HNSW" else {}

    def create(self, client: MilvusClient, collection: str, name: str) -> None:
        """Make one of the two large collections, under a `name`, with its indexes, and load it."""
        schema = self._identities() if collection == self.identities else self._samples()
        index = client.prepare_index_params()
        if collection == self.identities:
            index.add_index(index_name="centroid", **self._vector_index())
        else:
            index.add_index("embedding", "FLAT", "embedding", metric_type="COSINE")
            index.add_index("identity", "INVERTED", "identity")
        _create(client, name, schema, index)

    def _vector_index(self) -> dict[str, Any]:
        build = {"M": LINKS, "efConstruction": BUILD_WIDTH} if self.index == "HNSW" else {}
        return {
            "field_name": "centroid",
            "index_type": self.index,
            "metric_type": "COSINE",
            "params": build,
        }

    def _identities(self) -> CollectionSchema:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("digest", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("row", DataType.VARCHAR, max_length=48)
        schema.add_field("name", DataType.VARCHAR, max_length=LONGEST_TEXT)
        schema.add_field("samples", DataType.INT64)
        schema.add_field(
            "total", DataType.ARRAY, element_type=DataType.FLOAT, max_capacity=self.dim
        )
        schema.add_field("metadata", DataType.JSON)
        schema.add_field("centroid", DataType.FLOAT_VECTOR, dim=self.dim)
        return schema

    def _samples(self) -> CollectionSchema:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("identity", DataType.VARCHAR, max_length=48)
        schema.add_field("enrolled", DataType.INT64)
        schema.add_field("weight", DataType.FLOAT)
        schema.add_field("key", DataType.VARCHAR, max_length=LONGEST_TEXT, nullable=True)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=self.dim)
        return schema

    def set_index(self, client: MilvusClient) -> None:
        """Index the templates as is asked for, where they are indexed otherwise."""
        there = client.describe_index(self.identities, "centroid", timeout=CALL_SECONDS)
        if there and there["index_type"] == self.index:
            return
        client.release_collection(self.identities, timeout=CALL_SECONDS)
        if there:
            client.drop_index(self.identities, "centroid", timeout=CALL_SECONDS)
        index = client.prepare_index_params()
        index.add_index(index_name="centroid", **self._vector_index())
        client.create_index(self.identities, index, timeout=LONG_SECONDS)


def open_gallery(place: Place, gallery: Gallery) -> None:
    """Make what is missing of a gallery, and load it; raises `StoreError`, also where it is bound
    to another model."""
    if gallery.dim > LARGEST_DIMENSION:
        raise StoreError(
            f"embeddings of dimension {gallery.dim}: the milvus store takes at most "
            f"{LARGEST_DIMENSION}"
        )
    with place.changing(), working(place.name):
        client = place.client
        if not client.has_collection(gallery.meta, timeout=CALL_SECONDS):
            _create_meta(client, gallery)
        client.load_collection(gallery.meta, timeout=LONG_SECONDS)
        bound = _is_bound(place, gallery)
        for collection in (gallery.identities, gallery.samples):
            if place.local:
                purging.finish(client, collection)
            if not client.has_collection(collection, timeout=CALL_SECONDS):
                gallery.create(client, collection, collection)
        gallery.set_index(client)
        for collection in (gallery.identities, gallery.samples):
            client.load_collection(collection, timeout=LONG_SECONDS)
        if not bound:  # Last: nothing is missing where there is a binding.
            row = {"id": _BINDING, "space": gallery.space, "dim": gallery.dim}
            place.upsert(gallery.meta, [row | {"version": SCHEMA_VERSION, "unused": [0.0, 1.0]}])


def _is_bound(place: Place, gallery: Gallery) -> bool:
    """Raises `StoreError` where it is bound to another model."""
    found = place.get(gallery.meta, [_BINDING], ["space", "dim", "version"], strong=True)
    for bound in found:
        if bound["version"] > SCHEMA_VERSION:
            raise StoreError(
                f"gallery {gallery.collection!r} has schema version {bound['version']}; this "
                f"facenet knows {SCHEMA_VERSION}: install a newer one"
            )
        if (bound["space"], bound["dim"]) != (gallery.space, gallery.dim):
            raise StoreError(
                f"gallery {gallery.collection!r} is bound to embedding space {bound['space']!r} of "
                f"dimension {bound['dim']}; the model gives {gallery.space!r} of dimension "
                f"{gallery.dim}: use the former model, or another collection for this one; a "
                "bundle's config.json says its space"
            )
    return bool(found)


def _create_meta(client: MilvusClient, gallery: Gallery) -> None:
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=32)
    schema.add_field("space", DataType.VARCHAR, max_length=LONGEST_TEXT)
    schema.add_field("dim", DataType.INT64)
    schema.add_field("version", DataType.INT64)
    schema.add_field("unused", DataType.FLOAT_VECTOR, dim=2)  # A collection must have vectors.
    index = client.prepare_index_params()
    index.add_index("unused", "FLAT", "unused", metric_type="COSINE")
    _create(client, gallery.meta, schema, index)


def _create(client: MilvusClient, name: str, schema: CollectionSchema, index: IndexParams) -> None:
    client.create_collection(name, schema=schema, timeout=CALL_SECONDS)
    # Of nothing an index is ready at once; to wait for it takes half a second.
    client.create_index(name, index, timeout=CALL_SECONDS, sync=False)
    client.load_collection(name, timeout=LONG_SECONDS)
