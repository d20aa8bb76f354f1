"""Conformance suites and checks for authors of plugins; needs pytest.

>>> from facenet.testing import DetectorSuite, StoreSuite
>>> class TestMyStore(StoreSuite):
...     pass  # override the fixture `open_store`
>>> class TestMyDetector(DetectorSuite):
...     pass  # override the fixture `detector`
"""

import pytest

pytest.register_assert_rewrite(
    "facenet.testing.backbones",
    "facenet.testing.detectors",
    "facenet.testing.stores",
    "facenet.testing.store_bulk",
    "facenet.testing.store_crops",
    "facenet.testing.store_enrolment",
    "facenet.testing.store_filters",
    "facenet.testing.store_templates",
)

from facenet.testing.backbones import (  # noqa: E402
    build_backbone,
    check_backbone,
    check_export,
    of_the_day,
)
from facenet.testing.detectors import DetectorSuite  # noqa: E402
from facenet.testing.galleries import OpenStore  # noqa: E402
from facenet.testing.stores import StoreSuite  # noqa: E402

__all__ = [
    "DetectorSuite",
    "OpenStore",
    "StoreSuite",
    "build_backbone",
    "check_backbone",
    "check_export",
    "of_the_day",
]
