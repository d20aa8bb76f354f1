"""What all configuration models share: a strict base, plugin slots, and the 'planned' mark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)
from pydantic.fields import FieldInfo

from facenet.types import PluginKind
from facenet.validation import KeyPath


class Section(BaseModel):
    """A group of keys: unknown ones are refused, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    short_spellings: ClassVar[Mapping[str, KeyPath]] = {}
    """Keys that stand for other keys: as written -> as loaded."""

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
    def _accept_bare_name(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return handler({"plugin": value} if isinstance(value, str) else value)

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `plugin`, not yet validated by the plugin."""
        return dict(self.model_extra or {})


class BackboneSlot(Slot):
    """A backbone: an architecture's name, `plugin/architecture`, or a mapping."""

    kind: ClassVar[PluginKind] = "backbone"

    architecture: str | None = Field(None, description="Which of the plugin's architectures.")

    @property
    def name(self) -> str:
        """The name that `Registry.resolve_backbone` understands."""
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


def planned(default: Any, description: str, **constraints: Any) -> Any:
    """A key that loads and is checked, but has no effect yet; the reference says so."""
    return Field(
        default, description=description, json_schema_extra={"planned": True}, **constraints
    )


def is_planned(field: FieldInfo) -> bool:
    """Whether a key is marked as having no effect yet."""
    return isinstance(field.json_schema_extra, dict) and bool(
        field.json_schema_extra.get("planned")
    )
