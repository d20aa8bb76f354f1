"""Binary search of many values, each in a sorted row of its own."""

from __future__ import annotations

import torch


def count_below(rows: torch.Tensor, row: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
    """How many entries of `rows[row[t]]` are below `limit[t]`, for each t.

    `rows` is (R, C) float, each row ascending; `row` is (T,) int64, `limit` (T,) float; the result
    is (T,) int64. `torch.searchsorted` would need a copy of a row for each value.
    """
    columns = rows.shape[1]
    found = torch.zeros_like(row)
    for bit in reversed(range(columns.bit_length())):
        probe = found + 2**bit
        entry = rows[row, (probe - 1).clamp(max=columns - 1)]
        found = torch.where((probe <= columns) & (entry < limit), probe, found)
    return found
