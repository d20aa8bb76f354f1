"""SPDX licence expressions: how they are spelled, and which of them a list of licences allows."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any

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

_OWN_NAME = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_NICKNAMES = ("GPL", "GPL 2.0", "GPL 2.0+", "BSD-2")
"""What the library takes for an id although SPDX does not list it."""


def checked_licence(expression: str) -> str:
    """An SPDX expression in its official spelling: 'apache-2.0' -> 'Apache-2.0'.

    A deprecated id becomes the one that replaced it: 'AGPL-3.0' -> 'AGPL-3.0-only'. Raises
    `RequestError` for an id that SPDX does not know; `LicenseRef-<name>` is for those.
    """
    try:
        return str(_parsed(expression))
    except ValueError as error:
        near = did_you_mean(expression, ON_HUBS) or did_you_mean(expression.upper(), ON_HUBS)
        raise RequestError(
            f"licence {expression!r}: not an SPDX id{near}; a licence that SPDX does not list is "
            "written LicenseRef-<name>"
        ) from error


def checked_id(licence: str) -> str:
    """Like `checked_licence`, but raises `RequestError` for several licences too."""
    checked = checked_licence(licence)
    if not _parsed(checked).isliteral:
        raise RequestError(f"licence {licence!r}: is several; give each as an item of its own")
    return checked


def is_allowed(expression: str, allowed: Collection[str]) -> bool:
    """Whether licences that were checked with `checked_id` allow a checked expression.

    One alternative of OR suffices, AND needs all. WITH adds a permission to a licence, so that the
    licence alone suffices. What is `-or-later` may be taken as it is today, so that `-only` does.
    """
    return _is_allowed(_parsed(expression), allowed)


def _is_allowed(node: Any, allowed: Collection[str]) -> bool:
    if not node.isliteral:
        parts = [_is_allowed(part, allowed) for part in node.args]
        return any(parts) if isinstance(node, _spdx().OR) else all(parts)
    # The licence and its exception, where there is one.
    licence, *_ = node.decompose()
    names = {str(node), str(licence)}
    names |= {name.replace("-or-later", "-only") for name in names}
    return not names.isdisjoint(allowed)


def _parsed(expression: str) -> Any:
    """The tree of an expression; raises `ValueError` for what is none."""
    from license_expression import ExpressionError

    try:
        tree = _spdx().parse(expression, strict=True)
    except (ExpressionError, AssertionError, IndexError) as error:
        # The last two come of parentheses with nothing in them.
        raise ValueError(str(error)) from error
    if tree is None:
        raise ValueError("empty")
    for key in _spdx().unknown_license_keys(tree):
        if not _OWN_NAME.fullmatch(key):
            raise ValueError(f"{key} is unknown")
    return tree


@cache
def _spdx() -> Any:
    """The parser that knows SPDX's ids, and those that they replaced as their aliases."""
    from license_expression import build_spdx_licensing, get_license_index

    # The library has licences of its own as well, and would take LicenseRef-Apache for Apache-2.0.
    return build_spdx_licensing(
        {
            **entry,
            "other_spdx_license_keys": [
                alias
                for alias in entry["other_spdx_license_keys"]
                if alias not in _NICKNAMES and not alias.startswith("LicenseRef-")
            ],
        }
        for entry in get_license_index()
        if not (entry["spdx_license_key"] or "LicenseRef-").startswith("LicenseRef-")
    )
