"""Which images of a batch share a label, in O(B) memory and without waiting for the device."""

from __future__ import annotations

from typing import NamedTuple

import torch


class LabelGroups(NamedTuple):
    """A batch of B images sorted by label; every field is (B,) int64.

    `order` lists the images by label. Those of an image's own label stand in it from its `first`
    on, `size` of them; `first` thus also numbers the labels.
    """

    order: torch.Tensor
    first: torch.Tensor
    size: torch.Tensor

    @classmethod
    def of(cls, labels: torch.Tensor) -> LabelGroups:
        """The groups of (B,) int64 labels."""
        ranked, order = labels.sort()
        first = torch.searchsorted(ranked, labels)
        return cls(order, first, torch.searchsorted(ranked, labels, right=True) - first)

    @property
    def positives(self) -> torch.Tensor:
        """(B,) int64: how many others share each image's label."""
        return self.size - 1

    @property
    def negatives(self) -> torch.Tensor:
        """(B,) int64: how many images have another label."""
        return len(self.size) - self.size

    @property
    def usable(self) -> torch.Tensor:
        """(B,) bool: has a positive and a negative."""
        return (self.size > 1) & (self.size < len(self.size))

    def positive(self, anchor: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        """The image that is positive `number`, from 0, of each anchor; all are (T,) int64."""
        place = self.first[anchor] + number
        return self._at(place + (place >= self.order.argsort()[anchor]))

    def negative(self, anchor: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        """The image that is negative `number`, from 0, of each anchor; all are (T,) int64."""
        return self._at(number + self.size[anchor] * (number >= self.first[anchor]))

    def _at(self, place: torch.Tensor) -> torch.Tensor:
        # A slot that holds no triplet may point anywhere; its index must exist all the same.
        return self.order[place.clamp(min=0, max=len(self.order) - 1)]
