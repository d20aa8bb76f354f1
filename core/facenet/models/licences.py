"""The names that model hubs have for the licences of weights."""

from __future__ import annotations

from facenet.spdx import ON_HUBS


def front_matter(licence: str | None) -> dict[str, str]:
    """What the front matter of a model card says of a licence."""
    if licence is None:
        return {"license": "unknown"}
    # Hubs still have the ids of before AGPL-3.0 was told into -only and -or-later.
    known = licence.removesuffix("-only")
    if known in ON_HUBS:
        return {"license": known.lower()}
    return {"license": "other", "license_name": licence}
