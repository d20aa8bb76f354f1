"""Options that several miners share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class MinerOptions(BaseModel):
    """Keys of every miner whose number of triplets depends on the batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_triplets: PositiveInt = Field(
        2**20, description="Most triplets of a batch; where there are more, a uniform draw."
    )
