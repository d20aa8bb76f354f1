"""Who may use the service: API keys, of which only hashes are kept."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import click
import fasteners  # type: ignore[import-untyped]
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from facenet.errors import ConfigError, RequestError
from facenet.paths import whole_file
from facenet.text import did_you_mean
from facenet_serve import KEYS_FILE

Role = Literal["verify", "search", "enrol", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
PREFIX = "facenet"
FIRST = ("operator", "--role", "admin")
"""A key to begin with, as words of `facenet serve keys add`."""


class Key(BaseModel):
    """One API key, without the secret that is part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    label: str
    roles: tuple[Role, ...]
    digest: str = Field(repr=False)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"

    def may(self, role: Role) -> bool:
        """An admin may do everything."""
        return role in self.roles or "admin" in self.roles


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    keys: list[Key] = []


class KeyFile:
    """The keys in a file, which is read anew when it changes. Each call raises `ConfigError` where
    the file is damaged, and `OSError` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, Key] = {}

    def __iter__(self) -> Iterator[Key]:
        """All, also those that are no longer valid, in the order in which they were made."""
        return iter(list(self._read().values()))

    def __len__(self) -> int:
        return len(self._read())

    def find(self, text: str) -> Key | None:
        """The key that a caller shows, valid or not; the comparison takes as long for any."""
        prefix, _, rest = text.partition("_")
        name, _, secret = rest.partition("_")
        key = self._read().get(name)
        digest = key.digest if key else _digest("")
        matches = hmac.compare_digest(digest, _digest(secret))
        return key if matches and key and prefix == PREFIX else None

    def add(
        self, label: str, roles: Iterable[Role], expires: datetime | None = None
    ) -> tuple[Key, str]:
        """A new key, and its text, which is nowhere kept."""
        secret = secrets.token_urlsafe(32)
        with self._changing() as keys:
            name = secrets.token_hex(4)
            while name in keys:
                name = secrets.token_hex(4)
            key = Key(
                id=name,
                label=label,
                roles=tuple(role for role in ROLES if role in set(roles)),
                digest=_digest(secret),
                created=datetime.now(UTC).replace(microsecond=0),
                expires=expires,
            )
            keys[name] = key
        return key, f"{PREFIX}_{name}_{secret}"

    def revoke(self, name: str) -> Key:
        """Make a key useless, for ever; raises `RequestError` where there is none of this id."""
        with self._changing() as keys:
            key = keys.get(name)
            if key is None:
                raise RequestError(
                    f"{self.path}: no key {name!r}{did_you_mean(name, keys)}; all are shown by: "
                    f"{self.command('list')}"
                )
            if key.revoked is None:
                key = key.model_copy(update={"revoked": datetime.now(UTC).replace(microsecond=0)})
                keys[name] = key
        return key

    def command(self, *words: str) -> str:
        """`facenet serve keys WORDS` as it is to be typed for this file, after a command line whose
        configuration it repeats."""
        context = click.get_current_context(silent=True)
        while context and "config" not in context.params:
            context = context.parent
        config = Path(context.params["config"]) if context else None
        given = ["--config", f"{config}"] if config else []
        if config is None or self.path != config.parent / KEYS_FILE:
            given += ["--keys-file", f"{self.path}"]
        return shlex.join(["facenet", "serve", *given, "keys", *words])

    def _read(self) -> dict[str, Key]:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return self._keys
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            try:
                found = _File.model_validate_json(self.path.read_bytes())
            except ValidationError as error:
                problem = error.errors()[0]
                where = ".".join(str(part) for part in problem["loc"])
                raise ConfigError(
                    f"{self.path}: {where or 'content'}: {problem['msg']}: move this file away, "
                    f"and make the keys anew: {self.command('add', *FIRST)}"
                ) from error
            self._keys = {key.id: key for key in found.keys}
            self._seen = seen
        return self._keys

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Key]]:
        """The keys, which are written afterwards; for one process at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with fasteners.InterProcessLock(self.path.with_name(f".{self.path.name}.lock")):
            keys = dict(self._read())
            yield keys
            content = _File(keys=list(keys.values())).model_dump_json(indent=2)
            with whole_file(self.path) as partial:
                partial.touch(0o600)
                partial.write_text(content + "\n")


def _digest(secret: str) -> str:
    # Of 256 random bits: there is nothing to guess that a slow hash would protect.
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
