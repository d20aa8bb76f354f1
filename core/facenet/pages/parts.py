"""What reports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """`headings` names the columns of `rows`."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A figure, the name of its files, and what it shows in words."""

    name: str
    caption: str
    figure: Figure
