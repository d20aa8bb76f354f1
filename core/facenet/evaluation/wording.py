"""Figures in words: their names, shares in per cent, and what they mean together."""

from __future__ import annotations

import math
from collections.abc import Mapping

from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import Identification

_PREFIXES = {"tar_at_far_": "TAR@FAR=", "fnir_at_fpir_": "FNIR@FPIR="}
_LABELS = {"auc": "ROC AUC", "eer": "EER"}


def label(name: str) -> str:
    """'tar_at_far_0.001' -> 'TAR@FAR=0.001', 'rank_1' -> 'rank-1'."""
    for prefix, shown in _PREFIXES.items():
        if name.startswith(prefix):
            return shown + name.removeprefix(prefix)
    if name.endswith("_at_threshold"):
        return name.removesuffix("_at_threshold").upper() + " at threshold"
    return _LABELS.get(name, name.replace("_", "-"))


def supported(figures: Mapping[str, Estimate], prefix: str) -> dict[float, Estimate]:
    """The figures of that name which have a value, by the number at the name's end."""
    return {
        float(name.removeprefix(prefix)): figure
        for name, figure in figures.items()
        if name.startswith(prefix) and figure.value is not None
    }


def percent(share: float) -> str:
    """0.0005 -> '0.05 %', 0.93124 -> '93.1 %', 0.99987 -> '99.987 %': two digits of the distance
    to 0 or 100, whichever is nearer. The space does not break."""
    value = 100 * share
    rest = min(value, 100 - value)
    digits = max(0, math.ceil(-math.log10(rest)) + 1) if rest > 0 else 0
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if digits else text) + "\u00a0%"


def in_percent(estimate: Estimate) -> str:
    """'93 % (90 % to 95 %)', without what is not known."""
    if estimate.value is None:
        return str(estimate)
    return f"{percent(estimate.value)}{_interval(estimate)}"


def shortened(name: str, most: int = 48) -> str:
    """A long name with its middle left out."""
    if len(name) <= most:
        return name
    end = most // 3
    return f"{name[: most - end - 1]}…{name[-end:]}"


def read_threshold(threshold: float, source: str, rates: Mapping[str, Estimate]) -> str:
    """One sentence on what a threshold lets pass; `rates` as `rates_at` gives them."""
    far = rates["far"]
    if not far.value:
        bound = "" if far.high is None else f" (at most {percent(far.high)})"
        accepted = f"none of {far.n:,} pairs of different people is accepted{bound}"
    elif far.value < 0.05:
        one_in = f"1 in {_two_digits(1 / far.value)} pairs of different people is accepted"
        accepted = one_in + _interval(far)
    else:
        accepted = f"{in_percent(far)} of the pairs of different people are accepted"
    return (
        f"At a threshold of {threshold:.2f} ({source}), {accepted}, "
        f"and {in_percent(rates['tar'])} of the pairs of one person."
    )


def read_equal_errors(eer: Estimate) -> str:
    """One sentence where no threshold was chosen."""
    return (
        f"At the threshold where both errors are equally frequent, {in_percent(eer)} of the pairs "
        "of one person are refused and as large a share of the pairs of different people accepted."
    )


def read_searches(result: Identification) -> str:
    """One or two sentences on whom searches find."""
    text = (
        f"Of {result.mated:,} searches of people in a gallery of {result.gallery:,}, "
        f"{in_percent(result.figures['rank_1'])} find the right person first."
    )
    missed = supported(result.figures, "fnir_at_fpir_")
    if missed:
        fpir = min(missed)
        text += (
            f" Where 1 in {_two_digits(1 / fpir)} searches of anyone else may return somebody, "
            f"{in_percent(missed[fpir])} of the searches of enrolled people do not find them."
        )
    return text


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({percent(estimate.low)} to {percent(estimate.high)})"


def _two_digits(number: float) -> str:
    """1234.5 -> '1,200'."""
    step = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return f"{round(number / step) * step:,}"
