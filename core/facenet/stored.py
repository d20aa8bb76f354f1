"""The base of what is kept as JSON and read back: cards of bundles, results and tasks of runs."""

from pydantic import BaseModel, ConfigDict


class Stored(BaseModel):
    """Unknown keys are refused, values cannot change.

    Infinity is written as text, since JSON has no number for it: an interval measured on two
    people has no ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
