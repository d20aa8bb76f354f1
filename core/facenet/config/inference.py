"""The inference configuration, `configs/inference.yaml`."""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializationInfo,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from facenet.config.section import (
    DetectorSlot,
    LicencesConfig,
    Section,
    ShortSpelling,
    StoreSlot,
    from_context,
)
from facenet.types import ImageFormat, ImageLimits
from facenet.validation import wrong_key


def _frozen(mapping: dict[str, Any]) -> MappingProxyType[str, Any]:
    return MappingProxyType(mapping)


# Configurations go to other processes; of what is in them only these have no way of their own.
copyreg.pickle(MappingProxyType, lambda mapping: (_frozen, (dict(mapping),)))

Device = Literal["auto", "cpu", "cuda", "mps"]

_SHORT_SPELLINGS = {
    "database": ShortSpelling("store", "pgvector"),
    "detector_weights": ShortSpelling("detector", "yolo", "weights"),
    "detector_confidence": ShortSpelling("detector", "yolo", "confidence"),
}


def _add_short_spellings(schema: dict[str, Any]) -> None:
    types = {"database": "object", "detector_weights": "string", "detector_confidence": "number"}
    for name, short in _SHORT_SPELLINGS.items():
        schema["properties"][name] = {
            "type": types[name],
            "description": f"Short for `{short.long}`; give one of them, not both.",
        }
    schema["properties"]["database"]["description"] += (
        " Its keys: host, port, name, user, password, table, identity_table, sslmode, data_dir."
    )


class ImagesConfig(Section):
    """Which images are read. The header is checked before any pixel is decoded."""

    formats: tuple[ImageFormat, ...] = Field(
        ImageLimits.formats, min_length=1, description="Formats, by Pillow's names."
    )
    max_pixels: PositiveInt = Field(ImageLimits.max_pixels, description="Width times height.")
    max_bytes: PositiveInt = Field(ImageLimits.max_bytes, description="Size of the file.")


class InferenceConfig(Section):
    """Which model recognises, over which gallery, with which detector.

    Two groups of keys may be spelled short. `database: {...}` stands for
    `store: {plugin: pgvector, ...}`, `detector_weights` and `detector_confidence` stand for
    `detector: {plugin: yolo, weights: ..., confidence: ...}`.
    """

    model_config = ConfigDict(json_schema_extra=_add_short_spellings)
    short_spellings: ClassVar[Mapping[str, ShortSpelling]] = _SHORT_SPELLINGS

    checkpoint_path: Path = Field(description="Model bundle (folder) or checkpoint (.ckpt).")
    device: Device = Field("auto", description="Where the network runs; cuda without a GPU fails.")
    normalize_embeddings: bool = Field(True, description="Embeddings of unit length.")
    batch_size: PositiveInt = Field(32, description="Images in one forward pass.")
    num_workers: NonNegativeInt = Field(2, description="Threads that decode and align images.")
    image_size: int | None = Field(
        None, ge=16, le=1024, description="Input side in pixels; null: the model's own."
    )
    threshold: float | None = Field(
        None, ge=-1, le=1, description="Similarity of a match; null: the model's calibrated one."
    )
    detection_threshold: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Of the faces that the detector reports, those with a lower score are "
        "ignored. What it reports at all is for its own `confidence` to say.",
    )
    detector: DetectorSlot = Field(
        DetectorSlot(plugin="whole_image"), description="Face detector plugin."
    )
    images: ImagesConfig = Field(default_factory=ImagesConfig)
    quality: Literal["off", "standard", "strict"] = Field(
        "standard", description="Which photos may be enrolled; off: any with a face."
    )
    template: Literal["mean", "robust"] = Field(
        "mean",
        description="What stands for an identity: the mean of its samples, or their mean weighted "
        "by quality and without outliers.",
    )
    keep_crops: bool = Field(
        False,
        description="Keep in the gallery each sample's aligned face, a PNG file, for people to see "
        "and other models to embed. Faces are biometric data: keep them only where you may.",
    )
    store: StoreSlot = Field(StoreSlot(plugin="pgvector"), description="Vector store plugin.")
    frontends: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict,
        repr=False,  # only the plugin knows which of its options are secret
        description="Options of frontends by name, such as `{serve: {port: 8000}}`.",
    )
    licences: LicencesConfig = Field(default_factory=LicencesConfig)

    @field_validator("quality", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare `off` as false.
        return "off" if value is False else value

    @field_validator("frontends")
    @classmethod
    def _check_frontends(
        cls, frontends: Mapping[str, Mapping[str, Any]], info: ValidationInfo
    ) -> Mapping[str, Mapping[str, Any]]:
        if check := from_context(info, "check_plugin"):
            found = [
                ((name, *keys), text)
                for name, options in frontends.items()
                for keys, text in check("frontend", name, options)
            ]
            if found:
                raise wrong_key(*found)
        return MappingProxyType({key: MappingProxyType(item) for key, item in frontends.items()})

    @field_serializer("frontends")
    def _dump_frontends(
        self, frontends: Mapping[str, Mapping[str, Any]], info: SerializationInfo
    ) -> dict[str, dict[str, Any]]:
        shown = from_context(info, "shown_options")
        return {
            name: shown("frontend", name, options) if shown else dict(options)
            for name, options in frontends.items()
        }
