"""Conformance suites and checks for authors of plugins; needs pytest.

>>> from facenet.testing import StoreSuite
>>> class TestMyStore(StoreSuite):
...     pass  # override the fixture `open_store`

There is a suite for each kind, and `PluginSuite` for what all kinds have in common.
"""

import pytest

pytest.register_assert_rewrite(__name__)

from facenet.testing.backbones import BackboneSuite, build_backbone  # noqa: E402
from facenet.testing.detectors import DetectorSuite  # noqa: E402
from facenet.testing.frontends import FrontendSuite  # noqa: E402
from facenet.testing.galleries import OpenStore  # noqa: E402
from facenet.testing.miners import MinerSuite  # noqa: E402
from facenet.testing.plugins import PluginSuite  # noqa: E402
from facenet.testing.stores import StoreSuite  # noqa: E402

__all__ = [
    "BackboneSuite",
    "DetectorSuite",
    "FrontendSuite",
    "MinerSuite",
    "OpenStore",
    "PluginSuite",
    "StoreSuite",
    "build_backbone",
]
