"""Which images a figure was measured on, as one number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from facenet.paths import sha256_of


def fingerprint(paths: Iterable[Path], root: Path) -> str:
    """16 hexadecimal digits of a SHA-256 over names below `root` and contents of image files.

    The order of the paths does not matter; where the folder lies does not either.
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        digest.update(f"{name}\0".encode())
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()[:16]
