"""The inference configuration, `configs/inference.yaml`."""

from __future__ import annotations

from pathlib import Path
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from facenet.config.section import DetectorSlot, Section, StoreSlot
from facenet.validation import KeyPath

Device = Literal["auto", "cpu", "cuda", "mps"]

_SHORT_PLUGINS = {"store": "pgvector", "detector": "yolo"}
_SHORT_SPELLINGS: dict[str, Any] = {
    "database": {
        "type": "object",
        "description": "Short for `store: {plugin: pgvector, ...}`: host, port, name, user, "
        "password, table, identity_table, sslmode.",
    },
    "detector_weights": {
        "type": "string",
        "description": "Short for `detector: {plugin: yolo, weights: ...}`.",
    },
    "detector_confidence": {
        "type": "number",
        "description": "Short for `detector: {plugin: yolo, confidence: ...}`.",
    },
}


class InferenceConfig(Section):
    """Which model recognises, over which gallery, with which detector.

    Two groups of keys may be spelled short. `database: {...}` stands for
    `store: {plugin: pgvector, ...}`, `detector_weights` and `detector_confidence` stand for
    `detector: {plugin: yolo, weights: ..., confidence: ...}`.
    """

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema["properties"].update(_SHORT_SPELLINGS)
    )
    short_spellings: ClassVar[Mapping[str, KeyPath]] = {
        "database": ("store",),
        "detector_weights": ("detector", "weights"),
        "detector_confidence": ("detector", "confidence"),
    }

    checkpoint_path: Path = Field(description="Model bundle (folder) or checkpoint (.ckpt).")
    device: Device = Field("auto", description="Where the network runs; cuda without a GPU fails.")
    normalize_embeddings: bool = Field(True, description="Embeddings of unit length.")
    batch_size: PositiveInt = Field(32, description="Images in one forward pass.")
    num_workers: NonNegativeInt = Field(2, description="Threads that decode images.")
    image_size: int | None = Field(
        None, ge=16, le=1024, description="Input side in pixels; null: the model's own."
    )
    threshold: float | None = Field(
        None, ge=-1, le=1, description="Similarity of a match; null: the model's calibrated one."
    )
    detection_threshold: float = Field(
        0.0, ge=0, le=1, description="Faces with a lower detector score are ignored."
    )
    detector: DetectorSlot = Field(
        DetectorSlot(plugin="whole_image"), description="Face detector plugin."
    )
    store: StoreSlot = Field(StoreSlot(plugin="pgvector"), description="Vector store plugin.")
    frontends: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of frontends by name: {serve: {port: 8000}}."
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_short_spellings(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        slots: dict[str, dict[str, Any]] = {}
        for short, (slot, *key) in cls.short_spellings.items():
            if short not in values:
                continue
            if slot in values:
                raise ValueError(f"give either {short} or {slot}, not both")
            given = values.pop(short)
            if not key and not isinstance(given, dict):
                raise ValueError(f"{short} must be a mapping, such as {{host: db.example}}")
            target = slots.setdefault(slot, {"plugin": _SHORT_PLUGINS[slot]})
            target.update({key[0]: given} if key else given)
        return values | slots
