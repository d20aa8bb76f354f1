"""An ONNX file in 8-bit integers: static quantisation by onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from onnxruntime.quantization import CalibrationDataReader


def quantize(path, calibration, progress):
    raise NotImplementedError
