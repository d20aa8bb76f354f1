"""The data that `evaluate` and `calibrate` measure on, without whom the model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facenet.cli.options import PATH
from facenet.cli.output import progress, report_skipped
from facenet.text import count, listed

if TYPE_CHECKING:
    from facenet.evaluation import VerificationResult
    from facenet.recognition import Recognizer

Command = TypeVar("Command", bound=Callable[..., Any])


def data_options(command: Command) -> Command:
    """`--data`, or `--pairs` with `--images`."""
    for option in (
        click.option("--images", type=PATH, help="Folder of the images that --pairs names."),
        click.option("--pairs", type=PATH, help="List of pairs, in the format of LFW's pairs.txt."),
        click.option("--data", type=PATH, help="Folder of <identity>/<image>: all their pairs."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class PairsSource:
    """What was named: a folder of identities, or a list of pairs with its folder of images."""

    data: Path | None
    pairs: Path | None
    images: Path | None

    def __post_init__(self) -> None:
        if (self.pairs is None) != (self.images is None):
            raise click.UsageError("--pairs and --images go together")
        if self.data is not None and self.pairs is not None:
            raise click.UsageError("--data and --pairs exclude each other")

    @property
    def is_given(self) -> bool:
        """Whether any was named."""
        return self.data is not None or self.pairs is not None

    @property
    def root(self) -> Path:
        """The folder of the images."""
        root = self.data or self.images
        assert root is not None, "ask is_given first"
        return root

    def measure(
        self, recognizer: Recognizer, *, more_fars: Iterable[float] = ()
    ) -> tuple[VerificationResult, list[str], str]:
        """Run the whole pipeline over it, with a progress bar; what was measured, one line for each
        image without a usable face, and what to call the data.

        Of the folder that the model was trained on, only people whom it never saw are measured.
        """
        from facenet.evaluation import all_pairs_result, pairs_result, read_pairs_file
        from facenet.recognition import embed_identities, embed_pairs

        if self.pairs is None:
            seen = left_out(recognizer, self.root)
            name = f"people held out from {self.root.name}" if seen else self.root.name
            with progress("embedding") as update:
                embedded, failures = embed_identities(recognizer, self.root, update, without=seen)
            result = all_pairs_result(embedded, more_fars=more_fars)
        else:
            name, pairs = self.pairs.name, read_pairs_file(self.pairs)
            seen = _seen(recognizer, self.root).intersection(person for person, _ in pairs.images)
            _say_seen(self.pairs, seen, "whom it tells apart better than others")
            with progress("embedding") as update:
                embedded, failures = embed_pairs(recognizer, pairs, self.root, update)
            result = pairs_result(embedded, pairs, more_fars=more_fars)
        report_skipped("image", failures, became="counted as not recognised")
        return result, failures, name


def left_out(recognizer: Recognizer, root: Path) -> set[str]:
    """The identities of a folder that are not measured, since the model was trained on them; said
    on standard error."""
    seen = _seen(recognizer, root)
    _say_seen(root, seen, "who are left out")
    return seen


def _seen(recognizer: Recognizer, root: Path) -> set[str]:
    split = recognizer.model.card.split
    if split is None or not split.is_of(root):
        return set()
    from facenet.data import trained_identities

    return trained_identities(split, root)


def _say_seen(source: Path, seen: set[str], what: str) -> None:
    if seen:
        people, names = count(len(seen), "person", "people"), listed(sorted(seen))
        said = f"the model was trained on {people}, {what}: {names}"
        click.echo(f"facenet: {source}: {said}", err=True)
