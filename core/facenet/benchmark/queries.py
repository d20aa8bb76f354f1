"""What each network of a sweep finds for the same queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import mode
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facenet.benchmark.records import EMBEDDINGS, Embeddings, read_embeddings, run_folder
from facenet.benchmark.summary import Candidate
from facenet.config import BenchmarkConfig
from facenet.evaluation import Estimate
from facenet.text import slug

if TYPE_CHECKING:
    from facenet.types import Vector


class Query(NamedTuple):
    """An image that is searched with. `person` is None for the query image of the configuration:
    whom it shows is not known."""

    path: Path
    person: str | None


class Found(NamedTuple):
    """An image of the gallery and its similarity to the query, -1..1; `hit` says whether it shows
    the person of the query, None where that is not known."""

    path: Path
    similarity: float
    hit: bool | None


class Row(NamedTuple):
    """What one network finds, most similar first; `name` tells it from the other rows."""

    name: str
    accuracy: Estimate
    found: list[Found]


class Panel(NamedTuple):
    """A query figure: the name of its file without an ending, what all rows have in common, and
    the rows of each query."""

    name: str
    title: str
    searches: list[tuple[Query, list[Row]]]


class _Searched(NamedTuple):
    candidate: Candidate
    seed: int
    answers: dict[Query, list[Found]]


def query_panels(output: Path, ranked: Sequence[Candidate], config: BenchmarkConfig) -> list[Panel]:
    """A panel for each embedding size, its networks from best to worst, and one for each backbone,
    its embedding sizes from largest to smallest.

    A network that has no embeddings yet has no row. Seeds do not share a gallery: where there are
    several, all rows are of the one that most networks have embeddings of.
    """
    searched = list(_searched(output, ranked, config))
    panels = []
    for size in sorted({each.candidate.network.embedding_dim for each in searched}):
        rows = [each for each in searched if each.candidate.network.embedding_dim == size]
        names = [each.candidate.network.backbone for each in rows]
        panels.append(_panel(f"embedding_dim_{size}", f"Embedding size {size}", names, rows))
    for backbone in dict.fromkeys(each.candidate.network.backbone for each in searched):
        rows = [each for each in searched if each.candidate.network.backbone == backbone]
        rows.sort(key=lambda each: -each.candidate.network.embedding_dim)
        names = [f"{each.candidate.network.embedding_dim} numbers" for each in rows]
        panels.append(_panel(f"backbone_{slug(backbone)}", backbone, names, rows))
    return panels


def _panel(name: str, title: str, names: Sequence[str], rows: Sequence[_Searched]) -> Panel:
    if any(len(each.candidate.runs) > 1 for each in rows):
        title = f"{title}, seed {rows[0].seed}"
    if len({each.candidate.network.miner for each in rows}) > 1:
        miners = [each.candidate.network.miner for each in rows]
        names = [f"{name}, {miner}" for name, miner in zip(names, miners, strict=True)]
    queries = dict.fromkeys(query for each in rows for query in each.answers)
    searches = [
        (
            query,
            [
                Row(name, each.candidate.accuracy, each.answers[query])
                for name, each in zip(names, rows, strict=True)
                if query in each.answers
            ],
        )
        for query in queries
    ]
    return Panel(f"{name}_queries", title, searches)


def _searched(
    output: Path, ranked: Sequence[Candidate], config: BenchmarkConfig
) -> Iterator[_Searched]:
    """Every network in turn, with the same queries."""
    root = config.training.data.root.resolve()
    drawn: list[Query] | None = None
    for candidate, seed, embedded in _embedded(output, ranked):
        images = [root / image for image in embedded.images]
        if drawn is None:
            drawn = _drawn(images, embedded, config)
        vectors = {query: embedded.embeddings[images.index(query.path)] for query in drawn}
        if config.query_image is not None and embedded.query is not None:
            vectors[Query(config.query_image.resolve(), None)] = embedded.query
        yield _Searched(
            candidate,
            seed,
            {
                query: list(islice(_ranked(query, vector, images, embedded), config.top_k))
                for query, vector in vectors.items()
            },
        )


def _embedded(
    output: Path, ranked: Sequence[Candidate]
) -> Iterator[tuple[Candidate, int, Embeddings]]:
    """The networks that have embeddings, of the seed that most have them of."""
    keys = [(candidate, run.run.key) for candidate in ranked for run in candidate.runs]
    there = [each for each in keys if (run_folder(output, each[1]) / EMBEDDINGS).is_file()]
    seeds = [key.seed for _, key in there]
    for candidate, key in there:
        embedded = read_embeddings(run_folder(output, key)) if key.seed == mode(seeds) else None
        if embedded is not None:
            yield candidate, key.seed, embedded


def _drawn(images: Sequence[Path], embedded: Embeddings, config: BenchmarkConfig) -> list[Query]:
    """Random images of the gallery, of people who have another one in it."""
    shown = Counter(np.array(embedded.people)[embedded.gallery].tolist())
    gallery = np.flatnonzero(embedded.gallery).tolist()
    places = [place for place in gallery if shown[embedded.people[place]] > 1]
    places.sort(key=lambda place: images[place])
    random = np.random.default_rng(config.training.seed)
    count = min(config.num_random_queries, len(places))
    chosen = [places[number] for number in random.choice(len(places), count, replace=False)]
    return [Query(images[place], embedded.people[place]) for place in chosen]


def _ranked(
    query: Query, vector: Vector, images: Sequence[Path], embedded: Embeddings
) -> Iterator[Found]:
    """The gallery, without the query itself, from the most to the least similar."""
    similarity = embedded.embeddings @ vector
    for place in np.argsort(-similarity, kind="stable").tolist():
        if embedded.gallery[place] and images[place] != query.path:
            hit = None if query.person is None else embedded.people[place] == query.person
            yield Found(images[place], float(similarity[place]), hit)
