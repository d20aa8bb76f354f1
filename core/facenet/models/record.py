"""The base of all that `config.json` of a bundle is made of."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
