"""Whether a bundle is what its card says, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facenet.models.bundle import README, load_bundle, reference_embedding
from facenet.models.readme import render_readme

SAME = 0.9999
"""The cosine from which on two embeddings differ by rounding only: other processors, other
versions of the libraries, other numbers of threads add in another order."""


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """What `check_bundle` found in a bundle that loads.

    `max_difference` and `cosine` compare the embedding of the reference face, computed here, with
    the recorded one; both are None where the card records none.
    """

    space: str
    weights_sha256: str
    max_difference: float | None
    cosine: float | None
    readme: Literal["in step", "differs", "missing"]

    @property
    def embedding(self) -> Literal["identical", "same within rounding", "differs", "not recorded"]:
        """How the embedding of the reference face compares with the recorded one."""
        if self.cosine is None:
            return "not recorded"
        if self.max_difference == 0:
            return "identical"
        return "same within rounding" if self.cosine >= SAME else "differs"

    @property
    def passed(self) -> bool:
        """Whether the bundle may be relied on."""
        return self.embedding in ("identical", "same within rounding") and self.readme == "in step"


def check_bundle(folder: Path) -> BundleCheck:
    """Load a bundle on the CPU and compare it with what its card records.

    Raises `ModelError` when it does not load: a file is missing, the weights are not those of the
    card, or its preprocessing was changed.
    """
    model = load_bundle(folder)
    card, difference, cosine = model.card, None, None
    if card.reference:
        recorded, computed = np.array(card.reference, np.float32), reference_embedding(model)
        difference = float(np.abs(recorded - computed).max())
        cosine = float(recorded @ computed / np.linalg.norm(recorded) / np.linalg.norm(computed))
    return BundleCheck(
        space=card.space,
        weights_sha256=card.weights_sha256 or "",
        max_difference=difference,
        cosine=cosine,
        readme=_readme(folder / README, render_readme(card)),
    )


def _readme(path: Path, expected: str) -> Literal["in step", "differs", "missing"]:
    if not path.is_file():
        return "missing"
    return "in step" if path.read_bytes() == expected.encode() else "differs"
