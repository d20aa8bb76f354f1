"""What all suites share: a subclass that is not what it is meant to be says so in one sentence."""

from __future__ import annotations

from inspect import isfunction
from typing import Any, NoReturn

import pytest


class Suite:
    """Base of the suites. A subclass overrides fixtures and adds tests; it replaces none."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, own in vars(cls).items():
            inherited = [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]
            if not inherited or name.startswith("__"):
                continue
            if name.startswith("test_"):
                raise pytest.Collector.CollectError(
                    f"{cls.__name__}.{name} would replace a test of the suite: give it another name"
                )
            if isfunction(own) and not isfunction(inherited[0]):
                raise pytest.Collector.CollectError(
                    f"{cls.__name__}.{name} is no fixture: put @pytest.fixture above it"
                )


def to_override(request: pytest.FixtureRequest, what: str) -> NoReturn:
    """Fail because a subclass has not overridden the fixture that asks; `what` it should give."""
    pytest.fail(
        f"{request.cls.__name__} must override the fixture {request.fixturename!r}: {what}",
        pytrace=False,
    )
