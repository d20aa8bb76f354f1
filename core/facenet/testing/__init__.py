"""Conformance suites for authors of plugins; needs pytest.

>>> from facenet.testing import StoreSuite
>>> class TestMyStore(StoreSuite):
...     pass  # override the fixture `open_store`
"""

import pytest

pytest.register_assert_rewrite("facenet.testing.stores", "facenet.testing.store_enrolment")

from facenet.testing.galleries import OpenStore  # noqa: E402
from facenet.testing.stores import StoreSuite  # noqa: E402

__all__ = ["OpenStore", "StoreSuite"]
