"""What all configuration models share: a strict base, and plugin slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from facenet.errors import RequestError
from facenet.types import PluginKind
from facenet.validation import KeyPath, wrong_key

PluginCheck = Callable[[PluginKind, str, Mapping[str, Any]], list[tuple[KeyPath, str]]]
"""What is wrong with the choice of a plugin and with its options."""
PluginOptions = Callable[[PluginKind, str, Mapping[str, Any]], dict[str, Any]]
"""A plugin's options as they may be shown to anyone."""


class ShortSpelling(NamedTuple):
    """A key that stands for a slot with a certain plugin, or for one option of that plugin."""

    slot: str
    plugin: str
    option: str | None = None

    @property
    def keys(self) -> KeyPath:
        """The key path that is meant."""
        return (self.slot,) if self.option is None else (self.slot, self.option)

    @property
    def long(self) -> str:
        """The same, spelled out."""
        option = f"{self.option}: ..." if self.option else "..."
        return f"{self.slot}: {{plugin: {self.plugin}, {option}}}"


class Section(BaseModel):
    """A group of keys: unknown ones are refused, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    short_spellings: ClassVar[Mapping[str, ShortSpelling]] = {}
    """Keys that the loader accepts in place of a slot."""

    _config_dir: Path | None = PrivateAttr(None)

    @property
    def config_dir(self) -> Path | None:
        """Folder of the file that this was loaded from; None when it came from no file."""
        return self._config_dir


class Slot(BaseModel):
    """A place for a plugin: its name, or a mapping of `plugin` and that plugin's own options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: ClassVar[PluginKind]

    plugin: str = Field(min_length=1, description="Name of an installed plugin.")

    @model_validator(mode="wrap")
    @classmethod
    def _accept_bare_name(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        slot = handler({"plugin": value} if isinstance(value, str) else value)
        check = from_context(info, "check_plugin")
        if check and (found := check(cls.kind, slot.name, slot.options)):
            raise wrong_key(*found)
        return slot

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        shown = from_context(info, "shown_options")
        if shown is None:
            return handler(self)
        given = {key: value for key in type(self).model_fields if (value := getattr(self, key))}
        given |= shown(self.kind, self.name, self.options)
        return self.plugin if len(given) == 1 else given

    @property
    def name(self) -> str:
        """The name that the registry knows it by."""
        return self.plugin

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `plugin`, not yet validated by the plugin."""
        return deepcopy(self.model_extra or {})

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        # Only the plugin knows which of its options are secret.
        yield from ((key, getattr(self, key)) for key in type(self).model_fields)
        yield from ((key, ...) for key in self.options)


class BackboneSlot(Slot):
    """A backbone: an architecture's name, `plugin/architecture`, or a mapping."""

    kind: ClassVar[PluginKind] = "backbone"

    architecture: str | None = Field(None, description="Which of the plugin's architectures.")

    @property
    def name(self) -> str:
        """The name that `facenet.architectures.resolve_backbone` understands."""
        return f"{self.plugin}/{self.architecture}" if self.architecture else self.plugin


class MinerSlot(Slot):
    """A triplet miner."""

    kind: ClassVar[PluginKind] = "miner"


class DetectorSlot(Slot):
    """A face detector."""

    kind: ClassVar[PluginKind] = "detector"


class StoreSlot(Slot):
    """A vector store."""

    kind: ClassVar[PluginKind] = "store"


class LicencesConfig(Section):
    """Which licences may run here."""

    allow: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="SPDX ids that plugins, the libraries they need and weights may have; anything "
        "else is refused at start. null: all.",
    )

    @field_validator("allow")
    @classmethod
    def _check_ids(cls, allow: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if allow is None:
            return None
        from facenet.spdx import checked_id  # it reads a large table

        checked, found = [], []
        for index, licence in enumerate(allow):
            try:
                checked.append(checked_id(licence))
            except RequestError as error:
                found.append(((index,), str(error)))
        if found:
            raise wrong_key(*found)
        return tuple(checked)


def from_context(info: ValidationInfo | SerializationInfo, key: str) -> Any:
    """What the loader hands to validators and serializers; None outside of the loader."""
    return info.context.get(key) if isinstance(info.context, dict) else None
