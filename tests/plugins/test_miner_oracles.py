"""What each miner plugin finds, against a search by brute force and against its paper."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
import torch

import facenet_triplet_miners.mining.slots
from facenet.plugins import Registry
from facenet.types import Miner

Triple = tuple[int, int, int]
load = functools.cache(Registry().load)


def make(name: str, progress: float = 0.0, **options: Any) -> Miner:
    miner: Miner = load("miner", name).make_from(options, progress=lambda: progress)
    return miner


def random_batch(seed: int, size: int = 14, labels: int = 4, dimension: int = 8) -> Any:
    """Unit embeddings of float64, in which ties do not happen, and labels of differing size."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(size, dimension, generator=generator, dtype=torch.float64)
    embeddings = torch.nn.functional.normalize(embeddings, dim=1)
    return embeddings, torch.randint(labels, (size,), generator=generator)


def found(miner: Miner, embeddings: torch.Tensor, labels: torch.Tensor) -> list[Triple]:
    triplets = miner(embeddings, labels, embeddings @ embeddings.T).compact()
    return list(zip(*(index.tolist() for index in triplets[:3]), strict=True))


def every_triplet(labels: torch.Tensor) -> Iterator[Triple]:
    names = labels.tolist()
    for a, p, n in permutations(range(len(names)), 3):
        if names[a] == names[p] != names[n]:
            yield a, p, n


def semi_hard(embeddings: torch.Tensor, labels: torch.Tensor) -> set[Triple]:
    """Schroff et al. 2015, section 3.2, with the fallback of TensorFlow's `triplet_semihard_loss`:
    where no negative is farther than the positive, the one of the largest distance."""
    distance = 1 - embeddings @ embeddings.T
    chosen = set()
    for a, p in {triple[:2] for triple in every_triplet(labels)}:
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        outside = [n for n in negatives if distance[a, n] > distance[a, p]]
        inside = max(negatives, key=lambda n: distance[a, n])
        chosen.add((a, p, min(outside, key=lambda n: distance[a, n]) if outside else inside))
    return chosen


def hardest(embeddings: torch.Tensor, labels: torch.Tensor) -> set[Triple]:
    """Hermans et al. 2017, equation 5."""
    similarity = embeddings @ embeddings.T
    chosen: dict[int, Triple] = {}
    for a, p, n in every_triplet(labels):
        _, best_p, best_n = chosen.get(a, (a, p, n))
        best_p = min(p, best_p, key=lambda i: similarity[a, i])
        best_n = max(n, best_n, key=lambda i: similarity[a, i])
        chosen[a] = a, best_p, best_n
    return set(chosen.values())


seeds = pytest.mark.parametrize("seed", range(8))


@seeds
def test_batch_hard_finds_the_hardest_of_each_anchor(seed: int) -> None:
    batch = random_batch(seed)
    assert set(found(make("batch_hard"), *batch)) == hardest(*batch)


def test_batch_hard_works_through_a_large_batch_in_blocks() -> None:
    embeddings, labels = random_batch(0, size=1100, labels=300)
    same = labels[:, None] == labels
    similarity = embeddings @ embeddings.T
    anchor, positive, negative, _ = make("batch_hard")(embeddings, labels, similarity).compact()
    others = same & ~torch.eye(len(labels), dtype=torch.bool)
    assert torch.equal(positive, similarity.masked_fill(~others, 2).argmin(1)[anchor])
    assert torch.equal(negative, similarity.masked_fill(same, -2).argmax(1)[anchor])


def test_batch_hard_agrees_with_pytorch_metric_learning() -> None:
    """On 1,000 random batches; an anchor is left out where float32 cannot tell the two hardest
    apart, since the library computes its own similarities."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.miners import BatchHardMiner

    theirs, ours = BatchHardMiner(distance=CosineSimilarity()), make("batch_hard")
    generator = torch.Generator().manual_seed(0)
    compared = 0
    for _ in range(1000):
        size = int(torch.randint(8, 65, (), generator=generator))
        labels = torch.randint(size // 3, (size,), generator=generator)
        embeddings = torch.randn(size, 16, generator=generator)
        embeddings = torch.nn.functional.normalize(embeddings, dim=1)
        similarity = embeddings @ embeddings.T
        same = labels[:, None] == labels
        ranked = (similarity + 3 * ~same).fill_diagonal_(1.5).sort(dim=1).values
        gaps = ranked.diff(dim=1)[:, [0, -1]]
        told_apart = (gaps > 1e-6).all(dim=1)
        anchor, *_ = expected = theirs(embeddings, labels)
        expected = [index[told_apart[anchor]] for index in expected]
        mined = ours(embeddings, labels, similarity).compact()
        actual = [index[told_apart[mined.anchor]] for index in mined[:3]]
        assert all(map(torch.equal, actual, expected))
        compared += len(actual[0])
    assert compared > 30_000


@seeds
def test_batch_semi_hard_finds_the_hardest_negative_beyond_each_positive(seed: int) -> None:
    batch = random_batch(seed)
    triplets = found(make("batch_semi_hard"), *batch)
    assert set(triplets) == semi_hard(*batch)
    assert len(triplets) == len(set(triplets))


@seeds
def test_batch_all_finds_every_triplet_once(seed: int) -> None:
    embeddings, labels = random_batch(seed)
    assert Counter(found(make("batch_all"), embeddings, labels)) == Counter(every_triplet(labels))


@seeds
def test_batch_all_leaves_out_what_keeps_the_margin(seed: int) -> None:
    embeddings, labels = random_batch(seed)
    similarity = embeddings @ embeddings.T
    active = {
        (a, p, n)
        for a, p, n in every_triplet(labels)
        if similarity[a, n] - similarity[a, p] + 0.1 > 0
    }
    assert set(found(make("batch_all", margin=0.1), embeddings, labels)) == active


@pytest.mark.parametrize("gpu", [False, True])
def test_a_draw_of_batch_all_is_uniform(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    monkeypatch.setattr(facenet_triplet_miners.mining.slots, "may_ask", lambda device: not gpu)
    torch.manual_seed(0)
    embeddings, labels = random_batch(0, size=8, labels=3)
    everything = list(every_triplet(labels))
    mine, rounds, most = make("batch_all", max_triplets=7), 3000, 7
    drawn = Counter(triple for _ in range(rounds) for triple in found(mine, embeddings, labels))
    expected = rounds * most / len(everything)
    assert set(drawn) == set(everything)
    # Five standard deviations of a binomial, which is more than what is drawn without replacement.
    assert max(abs(count - expected) for count in drawn.values()) < 5 * expected**0.5


@seeds
def test_a_curriculum_begins_semi_hard_and_ends_hardest(seed: int) -> None:
    batch = random_batch(seed)
    assert set(found(make("curriculum", 0.0, start=0.1, end=0.5), *batch)) == semi_hard(*batch)
    assert set(found(make("curriculum", 0.1, start=0.1, end=0.5), *batch)) == semi_hard(*batch)
    assert set(found(make("curriculum", 0.5, start=0.1, end=0.5), *batch)) == hardest(*batch)
    assert set(found(make("curriculum", 1.0, start=0.1, end=0.5), *batch)) == hardest(*batch)


@seeds
def test_a_curriculum_grows_harder_with_progress(seed: int) -> None:
    embeddings, labels = random_batch(seed, size=24)
    similarity = embeddings @ embeddings.T
    previous: dict[tuple[int, int], float] = {}
    for progress in (0.0, 0.1, 0.25, 0.4, 0.5):
        triplets = found(make("curriculum", progress, end=0.5), embeddings, labels)
        now = {(a, p): float(similarity[a, n]) for a, p, n in triplets}
        assert not previous or set(now) <= set(previous)
        assert all(now[pair] >= previous.get(pair, -1) for pair in now)
        previous = now


def test_start_and_end_at_once_switch_from_semi_hard_to_hardest() -> None:
    batch = random_batch(0)
    assert set(found(make("curriculum", 0.29, start=0.3, end=0.3), *batch)) == semi_hard(*batch)
    assert set(found(make("curriculum", 0.3, start=0.3, end=0.3), *batch)) == hardest(*batch)


def test_distance_weighted_draws_by_the_inverse_of_the_density() -> None:
    """Wu et al. 2017, section 4: P(n | a) ~ min(1/q(cutoff), 1/q(d)) below the far cutoff."""
    torch.manual_seed(0)
    embeddings, labels = random_batch(3, size=10, labels=2, dimension=6)
    similarity = embeddings @ embeddings.T
    distance = (2 - 2 * similarity).clamp(min=0).sqrt()
    cutoff, far, dimension = 0.9, 1.6, 6
    near = distance.clamp(min=cutoff)
    density = near ** (dimension - 2) * (1 - near**2 / 4) ** ((dimension - 3) / 2)
    drawable = (labels[:, None] != labels) & (distance < far)
    expected = drawable / density
    expected /= expected.sum(dim=1, keepdim=True)
    assert drawable.any(dim=1).all()

    mine = make("distance_weighted", cutoff=cutoff, nonzero_loss_cutoff=far)
    drawn = torch.zeros(10, 10, dtype=torch.float64)
    for _ in range(2000):
        anchor, _, negative, _ = mine(embeddings, labels, similarity).compact()
        drawn.index_put_((anchor, negative), torch.ones(1, dtype=torch.float64), accumulate=True)
    shares = drawn / drawn.sum(dim=1, keepdim=True)
    assert (shares[~drawable] == 0).all()
    # Each anchor drew at least 2,000 times: five standard deviations are at most 0.056.
    assert (shares - expected).abs().max() < 0.056


def test_distance_weighted_draws_evenly_where_all_negatives_are_far() -> None:
    torch.manual_seed(0)
    embeddings = torch.eye(6)  # all distances are 1.414
    labels = torch.tensor([0, 0, 1, 2, 3, 4])
    mine = make("distance_weighted", nonzero_loss_cutoff=1.4)
    drawn = Counter(n for _ in range(500) for _, _, n in found(mine, embeddings, labels))
    assert set(drawn) == {2, 3, 4, 5}
    assert min(drawn.values()) > 150


def test_pml_gives_what_the_library_mines() -> None:
    from pytorch_metric_learning.miners import MultiSimilarityMiner, TripletMarginMiner

    embeddings, labels = random_batch(0)
    direct = TripletMarginMiner(margin=0.3)(embeddings, labels)
    ours = make("pml", miner="TripletMarginMiner", margin=0.3)
    assert found(ours, embeddings, labels) == list(
        zip(*(index.tolist() for index in direct), strict=True)
    )
    a, p, b, n = (index.tolist() for index in MultiSimilarityMiner(epsilon=0.1)(embeddings, labels))
    joined = {
        (i, j, m) for i, j in zip(a, p, strict=True) for k, m in zip(b, n, strict=True) if i == k
    }
    assert set(found(make("pml", miner="MultiSimilarityMiner"), embeddings, labels)) == joined
