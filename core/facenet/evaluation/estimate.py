"""A figure and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure measured on `n` trials, with its 95 % confidence interval `low` to `high`.

    `value` is None where the data cannot support the figure; `needs` then says how many trials
    of the rarer kind would. An interval is None where it was not computed.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    needs: int | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"not supported: needs {self.needs:,}" if self.needs else "not supported"
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"
