"""The triplet loss: its formulas, its gradient, and batches that have nothing to teach."""

from __future__ import annotations

import math
from itertools import permutations
from typing import get_args

import pytest
import torch

from facenet.training import triplet_loss
from facenet.training.loss import Distance, Margin
from facenet.types import Triplets

MARGINS: list[Margin] = [0.3, "soft"]
every_kind = pytest.mark.parametrize(
    "margin, distance", [(m, d) for m in MARGINS for d in get_args(Distance)]
)


def unit(size: int = 6, dimension: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(size, dimension, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def triplets_of(*rows: tuple[int, int, int], valid: list[bool] | None = None) -> Triplets:
    anchor, positive, negative = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).T
    return Triplets(anchor, positive, negative, None if valid is None else torch.tensor(valid))


FEW = triplets_of((0, 1, 2), (1, 0, 3), (0, 2, 3), (4, 5, 1))
MANY = triplets_of(*permutations(range(6), 3))  # 20 for each image: the gradient of a dense matrix
MASKED = triplets_of(*permutations(range(6), 3), valid=[i % 3 == 0 for i in range(120)])
every_size = pytest.mark.parametrize("triplets", [FEW, MANY, MASKED], ids=["few", "many", "masked"])


def by_autograd(
    embeddings: torch.Tensor, triplets: Triplets, margin: Margin, distance: Distance
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(T,) losses and distances, as the papers write them, of the valid triplets."""
    anchor, positive, negative, _ = triplets.compact()

    def between(others: torch.Tensor) -> torch.Tensor:
        if distance == "euclidean":
            return (embeddings[anchor] - embeddings[others]).norm(dim=1)
        return 1 - (embeddings[anchor] * embeddings[others]).sum(dim=1)

    to_positive, to_negative = between(positive), between(negative)
    if margin == "soft":
        losses = torch.log(1 + torch.exp(to_positive - to_negative))
    else:
        losses = (to_positive - to_negative + margin).clamp(min=0)
    return losses, to_positive, to_negative


def ours(embeddings: torch.Tensor, triplets: Triplets, margin: Margin, distance: Distance):
    similarity = (embeddings @ embeddings.T).detach()
    return triplet_loss(embeddings, similarity, triplets, margin=margin, distance=distance)


@every_kind
@every_size
def test_the_loss_is_the_formula(triplets: Triplets, margin: Margin, distance: Distance) -> None:
    losses, to_positive, to_negative = by_autograd(unit(), triplets, margin, distance)
    result = ours(unit(), triplets, margin, distance)
    assert result.loss == pytest.approx(float(losses.mean()))
    assert result.active == pytest.approx(float((losses > 0).double().mean()))
    assert result.positive_distance == pytest.approx(float(to_positive.mean()))
    assert result.negative_distance == pytest.approx(float(to_negative.mean()))


@every_kind
@every_size
def test_the_gradient_is_that_of_autograd(
    triplets: Triplets, margin: Margin, distance: Distance
) -> None:
    """Through the normalisation, which takes away what does not turn an embedding."""
    rows = (3 * unit()).requires_grad_()

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(7 * loss, rows)[0]

    embeddings = torch.nn.functional.normalize(rows, dim=1)
    actual = gradient(ours(embeddings, triplets, margin, distance).loss)
    embeddings = torch.nn.functional.normalize(rows, dim=1)
    expected = gradient(by_autograd(embeddings, triplets, margin, distance)[0].mean())
    torch.testing.assert_close(actual, expected)


@every_kind
@every_size
def test_the_gradient_is_that_of_finite_differences(
    triplets: Triplets, margin: Margin, distance: Distance
) -> None:
    def loss(embeddings: torch.Tensor) -> torch.Tensor:
        return ours(embeddings, triplets, margin, distance).loss

    assert torch.autograd.gradcheck(loss, unit().requires_grad_())


@every_kind
@pytest.mark.parametrize(
    "triplets", [triplets_of(), triplets_of((0, 1, 2), valid=[False])], ids=["empty", "masked"]
)
def test_without_triplets_all_is_zero(
    triplets: Triplets, margin: Margin, distance: Distance
) -> None:
    embeddings = unit().requires_grad_()
    result = ours(embeddings, triplets, margin, distance)
    result.loss.backward()
    figures = result.loss, result.active, result.positive_distance, result.negative_distance
    assert [float(figure.detach()) for figure in figures] == [0, 0, 0, 0]
    assert embeddings.grad is not None
    assert torch.count_nonzero(embeddings.grad) == 0


@every_kind
def test_a_network_that_maps_all_faces_to_one_point_has_a_finite_gradient(
    margin: Margin, distance: Distance
) -> None:
    embeddings = unit()[:1].expand(6, -1).float().clone().requires_grad_()
    result = ours(embeddings, FEW, margin, distance)
    result.loss.backward()
    standstill = math.log(2) if margin == "soft" else margin
    assert float(result.loss.detach()) == pytest.approx(standstill, abs=1e-3)
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_only_the_loss_carries_a_gradient() -> None:
    result = ours(unit().requires_grad_(), FEW, 0.3, "cosine")
    assert result.loss.requires_grad
    for figure in (result.active, result.positive_distance, result.negative_distance):
        assert not figure.requires_grad
        assert figure.shape == ()


def test_a_network_that_does_not_learn_can_be_measured() -> None:
    with torch.no_grad():
        assert not ours(unit(), FEW, 0.3, "cosine").loss.requires_grad


def test_neither_matrix_nor_embeddings_are_changed() -> None:
    embeddings = unit().requires_grad_()
    similarity = (embeddings @ embeddings.T).detach()
    before = embeddings.detach().clone(), similarity.clone()
    triplet_loss(embeddings, similarity, MANY, margin=0.3, distance="euclidean").loss.backward()
    assert torch.equal(embeddings, before[0])
    assert torch.equal(similarity, before[1])


@every_kind
def test_no_step_of_it_waits_for_the_device(margin: Margin, distance: Distance) -> None:
    """Tensors on `meta` have shapes and no values: to look at one is an error."""
    for triplets in (FEW, MASKED):
        on_meta = Triplets(*(index if index is None else index.to("meta") for index in triplets))
        embeddings = unit().to("meta").requires_grad_()
        result = ours(embeddings, on_meta, margin, distance)
        result.loss.backward()
        assert result.active.is_meta
