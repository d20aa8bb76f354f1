"""Cards of bundles, changed as nobody should."""

from __future__ import annotations

import json
from pathlib import Path


def change_card(bundle: Path, **changes: object) -> None:
    """`change_card(bundle, preprocessing__color="bgr")` changes one key of `config.json`."""
    card = json.loads((bundle / "config.json").read_text())
    for path, value in changes.items():
        *sections, key = path.split("__")
        owner = card
        for section in sections:
            owner = owner[section]
        owner[key] = value
    (bundle / "config.json").write_text(json.dumps(card))
