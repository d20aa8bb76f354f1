"""The data that `evaluate` and `calibrate` measure on, and the model that they measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facenet.cli.options import PATH, open_recognizer
from facenet.cli.output import progress, report_skipped

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

    @property
    def name(self) -> str:
        """What to call it."""
        return (self.pairs or self.root).name

    def measure(
        self, recognizer: Recognizer, *, more_fars: Iterable[float] = ()
    ) -> tuple[VerificationResult, list[str]]:
        """Run the whole pipeline over it, with a progress bar; what was measured, and one line for
        each image without a usable face."""
        from facenet.evaluation import all_pairs_result, pairs_result, read_pairs_file
        from facenet.recognition import embed_identities, embed_pairs

        if self.pairs is None:
            with progress("embedding") as update:
                embedded, failures = embed_identities(recognizer, self.root, update)
            result = all_pairs_result(embedded, more_fars=more_fars)
        else:
            listed = read_pairs_file(self.pairs)
            with progress("embedding") as update:
                embedded, failures = embed_pairs(recognizer, listed, self.root, update)
            result = pairs_result(embedded, listed, more_fars=more_fars)
        report_skipped("image", failures, became="counted as not recognised")
        return result, failures


@contextmanager
def recognizer_of(
    config: Path, overrides: tuple[str, ...], checkpoint: Path | None
) -> Iterator[Recognizer]:
    """The recognizer of an inference configuration, with another model when one is named."""
    other = () if checkpoint is None else (f"checkpoint_path={checkpoint}",)
    with open_recognizer(config, (*overrides, *other)) as recognizer:
        yield recognizer
