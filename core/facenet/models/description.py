"""What a model card says, in words: for the page of a bundle and for the command line."""

from __future__ import annotations

from dataclasses import dataclass

from facenet.evaluation.wording import label
from facenet.models.calibration import Calibration
from facenet.models.card import ModelCard, Preprocessing

INTENDED_USE = (
    "Comparing faces of people who agreed to it: verification, and search in a gallery that they "
    "were enrolled in. Not for deciding about a person without another person's judgement."
)

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with a table of names and values below it, a text, or both."""

    heading: str
    rows: Rows = ()
    text: str = ""


def describe(card: ModelCard) -> tuple[Section, ...]:
    """All that a card says, in the order in which a reader needs it."""
    return (
        Section("Model", _model(card)),
        Section("Preprocessing", _preprocessing(card.preprocessing)),
        describe_threshold(card.calibration),
        _figures(card),
        Section("Intended use", text=card.intended_use or INTENDED_USE),
    )


def _model(card: ModelCard) -> Rows:
    return (
        ("Network", str(card.network)),
        ("Embedding", f"{card.network.embedding_dim} numbers, compared by cosine"),
        ("Embedding space", card.space),
        ("Licence of the weights", card.licence or "not stated"),
        ("SHA-256 of the weights", card.weights_sha256 or "not recorded"),
    )


def _preprocessing(preprocessing: Preprocessing) -> Rows:
    size = preprocessing.image_size
    return (
        ("Alignment", preprocessing.alignment),
        ("Input", f"{size} x {size} pixels"),
        ("Order of colours", preprocessing.color.upper()),
        ("Mean, on the scale 0..255", _per_channel(preprocessing.mean)),
        ("Standard deviation, likewise", _per_channel(preprocessing.std)),
    )


def describe_threshold(calibration: Calibration | None) -> Section:
    """The threshold, and how it came about."""
    if calibration is None:
        return Section("Threshold", text="Not calibrated: `facenet calibrate` finds one.")
    smallest, _ = calibration.curve[-1] if calibration.curve else (calibration.far, 0)
    known = calibration.probability
    rows: Rows = (
        ("Threshold", f"{calibration.threshold:.4f}"),
        ("95 % interval", f"{calibration.low:.4f} to {calibration.high:.4f}"),
        ("False accept rate", f"{calibration.far:g}"),
        ("Data", calibration.data),
        ("People", f"{calibration.identities:,}"),
        ("Genuine pairs", f"{calibration.genuine_pairs:,}"),
        ("Impostor pairs", f"{calibration.impostor_pairs:,}"),
        ("Fingerprint of the images", calibration.fingerprint),
        ("Galleries of up to", f"{calibration.far / smallest:,.0f} (FAR {smallest:.2g} each)"),
    )
    if known:
        error = f"{known.kind}, expected calibration error {known.calibration_error:.4f}"
        rows += (("Map to probabilities", error),)
    text = "A threshold holds for faces like these, detected and aligned like these."
    return Section("Threshold", rows, text)


def _figures(card: ModelCard) -> Section:
    if not card.metrics:
        return Section("Figures", text="None were measured: `facenet evaluate` does.")
    rows = tuple((label(name), str(estimate)) for name, estimate in card.metrics.items())
    measured_on = card.measured_on or "data that the card does not name"
    text = f"Measured on {measured_on}, with 95 % confidence intervals over people."
    return Section("Figures", rows, text)


def _per_channel(values: tuple[float, float, float]) -> str:
    """One number where the three channels agree; the card has them on the scale 0..1."""
    numbers = [f"{255 * value:.6g}" for value in values]
    return numbers[0] if len(set(numbers)) == 1 else ", ".join(numbers)
