"""What commands say of a gallery that keeps nobody, or has nobody yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from facenet.recognition import Recognizer


def warn_unless_kept(recognizer: Recognizer) -> None:
    """Say on standard error where what a command enrols ends with it."""
    if not recognizer.store.stats().persistent:
        click.echo(
            f"facenet: {_forgetful(recognizer)}: what is enrolled here is gone when this command "
            "ends; choose a store that keeps it, such as pgvector",
            err=True,
        )


def is_empty(recognizer: Recognizer) -> bool:
    """Whether nobody is enrolled; says on standard error how to change that."""
    stats = recognizer.store.stats()
    if stats.identities:
        return False
    how = "enrol with `facenet enrol NAME PHOTO`, or `facenet populate --data FOLDER`"
    if not stats.persistent:
        how = f"{_forgetful(recognizer)} from one command to the next"
    click.echo(f"facenet: the gallery is empty: {how}", err=True)
    return True


def _forgetful(recognizer: Recognizer) -> str:
    return f"the store {recognizer.config.store.plugin!r} keeps nobody"
