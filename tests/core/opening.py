"""For tests that look at a gallery past the command line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from facenet import Recognizer, load_config

Gallery = tuple[object, ...]
"""The options of a command that name one."""


def opened(gallery: Gallery, bundle: Path | None = None) -> Recognizer:
    """Its recognizer, over its own model or that of a bundle."""
    overrides = [str(value) for flag, value in pairwise(gallery) if flag == "--set"]
    if bundle is not None:
        overrides.append(f"checkpoint_path={bundle}")
    return Recognizer.from_config(load_config(Path(str(gallery[1])), overrides=tuple(overrides)))
