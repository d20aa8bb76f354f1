"""What goes into the gallery, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.config import InferenceConfig
from facenet.errors import QualityError
from facenet.gallery import unit_rows
from facenet.imaging.png import png
from facenet.recognition.cropping import Crop
from facenet.recognition.quality import Policy, Quality, Reason, quality_of, reasons_against
from facenet.recognition.templates import outliers, robust_template
from facenet.stores import Addition, BulkStore, Samples, Store, Template

if TYPE_CHECKING:
    from facenet.types import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """N aligned faces that may stand for one identity, their (N, D) embeddings and qualities, and
    for each the reasons not to enrol it."""

    crops: list[Crop]
    embeddings: Vector
    qualities: list[Quality]
    reasons: list[list[Reason]]

    @property
    def refused(self) -> tuple[str, ...]:
        """One line for each face that should not be enrolled."""
        return tuple(
            f"{crop.source}: " + ", ".join(f"{reason.text} ({reason.code})" for reason in reasons)
            for crop, reasons in zip(self.crops, self.reasons, strict=True)
            if reasons
        )

    def accepted(self) -> Candidates:
        """Those that may be enrolled."""
        places = [place for place, reasons in enumerate(self.reasons) if not reasons]
        return Candidates(
            [self.crops[place] for place in places],
            self.embeddings[places],
            [self.qualities[place] for place in places],
            [[] for _ in places],
        )

    def refuse_any(self) -> None:
        """Raises `QualityError` when any should not be enrolled."""
        if lines := self.refused:
            codes = [reason.code for reasons in self.reasons for reason in reasons]
            advice = (
                "nothing is enrolled; to take any face, set quality to off: --set quality=off, or "
                'quality="off" in Python'
            )
            raise QualityError("\n".join([*lines, advice]), codes)


def assess(
    store: Store, identity: str, crops: Sequence[Crop], embeddings: Vector, policy: Policy
) -> Candidates:
    """Judge N aligned faces with (N, D) embeddings, each by itself and among the others.

    A face that is unlike the rest of the identity's, enrolled and new, may be someone else's; for
    this at least four must be known.
    """
    qualities = [quality_of(crop) for crop in crops]
    reasons = [reasons_against(quality, policy) for quality in qualities]
    candidates = Candidates(list(crops), embeddings, qualities, reasons)
    if policy != "off":
        for place in _strangers(store.samples(identity), candidates):
            reasons[place].append(
                Reason("possible_mix_up", f"the face is unlike the others of {identity!r}")
            )
    return candidates


def add(
    store: Store,
    identity: str,
    candidates: Candidates,
    config: InferenceConfig,
    metadata: Mapping[str, Any] | None,
) -> int:
    """Enrol all candidates and make the configured template; how many were added.

    Their crops are kept with them where the configuration says so.
    """
    return _enrol(store, _addition(identity, candidates, config, metadata), template_of(config))


def add_all(
    store: Store, found: Mapping[str, Candidates], config: InferenceConfig
) -> Mapping[str, int]:
    """As `add`, for the candidates of many identities; how many were added to each.

    In one transaction where the store can do it.
    """
    additions = [_addition(identity, each, config, None) for identity, each in found.items()]
    template = template_of(config)
    if isinstance(store, BulkStore):
        added = store.enrol_many(additions, template=template)
    else:
        added = [_enrol(store, addition, template) for addition in additions]
    return dict(zip(found, added, strict=True))


def _addition(
    identity: str,
    candidates: Candidates,
    config: InferenceConfig,
    metadata: Mapping[str, Any] | None,
) -> Addition:
    robust = config.template == "robust"
    return Addition(
        identity,
        candidates.embeddings,
        keys=[crop.key for crop in candidates.crops],
        metadata=metadata,
        weights=[quality.weight for quality in candidates.qualities] if robust else None,
        crops=[png(crop.pixels) for crop in candidates.crops] if config.keep_crops else None,
    )


def template_of(config: InferenceConfig) -> Template | None:
    """What makes the configured templates; None: the store's own, the weighted mean."""
    return robust_template if config.template == "robust" else None


def _enrol(store: Store, addition: Addition, template: Template | None) -> int:
    # Not crops=None: a store that keeps none need not take the argument.
    kept = {} if addition.crops is None else {"crops": addition.crops}
    return store.enrol(
        addition.identity,
        addition.embeddings,
        keys=addition.keys,
        metadata=addition.metadata,
        weights=addition.weights,
        template=template,
        **kept,
    )


def _strangers(held: Samples, candidates: Candidates) -> Sequence[int]:
    unit = unit_rows(candidates.embeddings)
    weights = np.array([quality.weight for quality in candidates.qualities], np.float32)
    together = Samples(
        np.concatenate([held.embeddings, unit]), np.concatenate([held.weights, weights])
    )
    found: list[int] = np.flatnonzero(outliers(together)[len(held.weights) :]).tolist()
    return found
