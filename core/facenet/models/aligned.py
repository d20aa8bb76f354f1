"""What a folder of aligned faces says of itself: the file that `facenet align` writes into it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt, ValidationError

from facenet.errors import DataError
from facenet.imaging import ALIGNMENT_FILE
from facenet.stored import Stored
from facenet.text import first_line
from facenet.types import Alignment
from facenet.validation import changed_keys, config_error


class AlignedFolder(Stored):
    """How the faces of a folder were found and cut out: all that their pixels depend on.

    `options` are all those of the detector, files among them as the hash of their content.
    """

    format_version: Literal[1] = 1
    alignment: Alignment
    size: PositiveInt
    detector: str
    options: dict[str, Any]
    detection_threshold: float

    def changes_to(self, other: AlignedFolder) -> list[str]:
        """`key was x, is y` for each setting in which another differs."""
        return changed_keys(self._settings(), other._settings())

    def _settings(self) -> dict[str, Any]:
        """By name, the detector's options behind its own."""
        options = {f"detector.{key}": value for key, value in self.options.items()}
        return self.model_dump(mode="json", exclude={"options"}) | options


def read_aligned(folder: Path) -> AlignedFolder | None:
    """What a folder says of its faces; None when it is not one that `facenet align` made.

    Raises `DataError` when the file that says it is damaged.
    """
    path = folder / ALIGNMENT_FILE
    try:
        return AlignedFolder.model_validate(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        found = first_line(config_error(error, AlignedFolder, str(path)))
    except ValueError:
        found = f"{path}: is not JSON"
    raise DataError(f"{found}; bring back the file that `facenet align` wrote, or align anew")


def alignment_of(folder: Path) -> Alignment:
    """How the images of a folder were aligned, as it says; `none` where it says nothing.

    Raises `DataError` when the file that says it is damaged.
    """
    aligned = read_aligned(folder)
    return aligned.alignment if aligned else "none"


def alignment_around(image: str) -> Alignment | None:
    """How an image was aligned, as the nearest folder above it says; None where none says it."""
    return _alignment_above(Path(image).absolute().parent)


@lru_cache(maxsize=1024)
def _alignment_above(folder: Path) -> Alignment | None:
    found = (read_aligned(each) for each in (folder, *folder.parents))
    return next((aligned.alignment for aligned in found if aligned), None)
