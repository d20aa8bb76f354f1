"""The model card as a page: README.md of a bundle."""

from __future__ import annotations

from facenet.models.card import ModelCard, NetworkSpec

INTENDED_USE = (
    "Comparing faces of people who agreed to it: verification, and search in a gallery that they "
    "were enrolled in. Not for deciding about a person without another person's judgement."
)


def render_readme(card: ModelCard) -> str:
    """The page of a card, Markdown with the front matter that model hubs read."""
    prep, calibration = card.preprocessing, card.calibration
    rows = {
        "Network": f"`{card.network}`",
        "Embedding": f"{card.network.embedding_dim} numbers, compared by cosine",
        "Input": f"{prep.image_size} x {prep.image_size} pixels, {prep.color.upper()}, "
        f"alignment `{prep.alignment}`",
        "Normalisation": f"(pixel / 255 - {list(prep.mean)}) / {list(prep.std)}",
        "Embedding space": f"`{card.space}`",
        "Weights, SHA-256": f"`{card.weights_sha256}`",
        "Threshold": f"{calibration.threshold:.4f} ({calibration.low:.4f} to "
        f"{calibration.high:.4f}): {calibration}"
        if calibration
        else "not calibrated: `facenet calibrate` finds one",
        "Licence of the weights": card.licence or "not stated",
    }
    parts = [
        _front_matter(card),
        f"# Face embedding model {card.space}",
        _table(["", ""], [(name, value) for name, value in rows.items()]),
        f"## Intended use\n\n{card.intended_use or INTENDED_USE}",
        "## Figures\n\n" + _figures(card),
    ]
    if calibration:
        parts.append(
            f"## Calibration\n\n{calibration.genuine_pairs:,} genuine and "
            f"{calibration.impostor_pairs:,} impostor pairs of {calibration.identities:,} people, "
            f"images with fingerprint `{calibration.fingerprint}`. A threshold holds for faces "
            "like these, detected and aligned like these."
        )
    parts.append(
        "## How to load it\n\n`Recognizer.from_pretrained(FOLDER)` in Python, or "
        "`checkpoint_path: FOLDER` in an inference configuration of facenet."
    )
    return "\n\n".join(parts) + "\n"


def _front_matter(card: ModelCard) -> str:
    library = "pytorch" if isinstance(card.network, NetworkSpec) else "onnx"
    licence = (card.licence or "other").lower()
    tags = "\n".join(f"- {tag}" for tag in ("face-recognition", "facenet", library))
    return f"---\nlicense: {licence}\nlibrary_name: facenet-kit\ntags:\n{tags}\n---"


def _figures(card: ModelCard) -> str:
    if not card.metrics:
        return "None were measured: `facenet evaluate` does."
    measured = f"Measured on {card.measured_on}, with 95 % confidence intervals over people.\n\n"
    rows = [(name, str(estimate)) for name, estimate in card.metrics.items()]
    return measured + _table(["figure", "value"], rows)


def _table(headings: list[str], rows: list[tuple[str, str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
