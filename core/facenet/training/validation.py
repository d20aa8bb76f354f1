"""Verification figures on held-out identities, while training runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from facenet.errors import DataError
from facenet.evaluation import measure_all_pairs


class Validation:
    """Collects the embeddings of one pass over the validation images, and measures them."""

    def __init__(self) -> None:
        self._rows: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, embeddings: torch.Tensor, labels: torch.Tensor) -> None:
        """(B, D) float of unit length and (B,) int64, on any device."""
        self._rows.append((embeddings.cpu(), labels.cpu()))

    def figures(self, processes: int) -> dict[str, float] | None:
        """All that `logging.monitor` may name; None when an embedding is not a number.

        Begins a new pass. Every one of the `processes` must call it, and gets the same. Raises
        `DataError` when the images make no genuine or no impostor pair.
        """
        embeddings, labels = (rows.numpy() for rows in self._all_rows(processes))
        if not np.isfinite(embeddings).all():
            return None
        try:
            result = measure_all_pairs(embeddings, labels).verification
        except DataError as error:
            raise DataError(
                f"validation on {len(labels)} images: {error}; raise trainer.limit_val_batches "
                "or data.val_split"
            ) from error
        point = result.decision_point()
        return {
            "val_auc": result.auc,
            "val_accuracy": result.accuracy,
            "val_eer": result.eer,
            "val_tar_at_far": point.tar if point else math.nan,
        }

    def _all_rows(self, processes: int) -> list[torch.Tensor]:
        """Embeddings and labels of all processes, whose shares may differ in length."""
        rows = [torch.cat(column) for column in zip(*self._rows, strict=True)]
        self._rows.clear()
        if processes == 1:
            return rows
        shares: list[Any] = [None] * processes
        torch.distributed.all_gather_object(shares, rows)
        return [torch.cat(column) for column in zip(*shares, strict=True)]
