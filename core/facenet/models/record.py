"""The base of all that `config.json` of a bundle is made of."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Unknown keys are refused, values cannot change.

    Infinity is written as text, since JSON has no number for it: an interval measured on two
    people has no ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
