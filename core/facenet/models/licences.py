"""Licences of weights: SPDX expressions, and the names that model hubs have for them."""

from __future__ import annotations

from facenet.errors import RequestError
from facenet.text import did_you_mean

ON_HUBS = (
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "AFL-3.0",
    "Artistic-2.0",
    "BSL-1.0",
    "CC0-1.0",
    "CC-BY-2.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0",
    "AGPL-3.0",
    "GPL-2.0",
    "GPL-3.0",
    "LGPL-2.1",
    "LGPL-3.0",
    "MPL-2.0",
    "EPL-2.0",
    "EUPL-1.2",
    "ISC",
    "MS-PL",
    "Unlicense",
    "Zlib",
)
"""The SPDX ids that model hubs know, in lower case, as values of `license` in a model card."""


def checked_licence(expression: str) -> str:
    """An SPDX expression in its official spelling: 'apache-2.0' -> 'Apache-2.0'.

    Raises `RequestError` for an id that SPDX does not know; `LicenseRef-<name>` is for those.
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(expression)
    except InvalidLicenseExpression as error:
        near = did_you_mean(expression, ON_HUBS) or did_you_mean(expression.upper(), ON_HUBS)
        raise RequestError(
            f"licence {expression!r}: not an SPDX id{near}; a licence that SPDX does not list is "
            "written LicenseRef-<name>"
        ) from error


def front_matter(licence: str | None) -> dict[str, str]:
    """What the front matter of a model card says of a licence."""
    if licence is None:
        return {"license": "unknown"}
    if licence in ON_HUBS:
        return {"license": licence.lower()}
    return {"license": "other", "license_name": licence}
