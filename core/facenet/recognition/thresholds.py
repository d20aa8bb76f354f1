"""Which threshold decides, and where it comes from: none is invented."""

from __future__ import annotations

from collections.abc import Callable

from facenet.config import InferenceConfig
from facenet.errors import RequestError
from facenet.models import ModelCard

NO_THRESHOLD = "not calibrated: no one is named"


def known_threshold(
    card: ModelCard, config: InferenceConfig, given: float | None, gallery: Callable[[], int]
) -> tuple[float, str] | None:
    """The threshold for a comparison with each of `gallery()` identities and its origin: given,
    configured or calibrated; None when there is none.

    Only a calibrated one asks how large the gallery is. Raises `RequestError` for a given one
    outside of -1..1.
    """
    if given is not None:
        if not -1 <= given <= 1:
            raise RequestError(f"threshold {given}: must be a cosine similarity in -1..1")
        return given, "given"
    if config.threshold is not None:
        return config.threshold, "configured"
    return card.calibration.for_gallery(gallery()) if card.calibration else None
