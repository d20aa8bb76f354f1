"""One export, from a model to a file that has proved itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facenet.data import IdentityFolder
from facenet.errors import DeviceError, FacenetError, RequestError
from facenet.exporting.formats import BUNDLE, FORMATS, Precision, checked_format
from facenet.exporting.images import (
    all_faces,
    calibration_and_measured,
    drawn_faces,
)
from facenet.exporting.int8 import quantize
from facenet.exporting.latency import latencies
from facenet.exporting.parity import MAX_TAR_DROP, Parity, check_parity
from facenet.exporting.pixels import to_pixels
from facenet.models import EmbeddingModel, TorchModel
from facenet.paths import checked_output_file
from facenet.text import first_line
from facenet.types import Bars


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was written: `megabytes` of 10^6 bytes, milliseconds for one face alone by the
    file and by the model, measured in turn on the CPU, and how near the two are."""

    file: Path
    format: str
    precision: Precision
    megabytes: float
    latency_ms: float
    model_latency_ms: float
    parity: Parity


def export_model(
    model: EmbeddingModel,
    path: Path,
    *,
    progress: Bars,
    kind: str | None = None,
    precision: Precision = "fp32",
    folder: IdentityFolder | None = None,
    max_tar_drop: float = MAX_TAR_DROP,
) -> Export:
    """Write a model as a file of a format of `FORMATS`; `kind` None: by the ending of `path`.

    The file maps (N, 3, S, S) uint8 RGB to (N, D) float32 of unit length, preprocessing included,
    for any N. It appears under its name only when `check_parity` lets it pass: in fp32 by cosine,
    on the faces of `folder` or on drawn ones; in int8, which needs a folder, by TAR on three
    quarters of its people, the others being calibrated on.

    Raises `RequestError` for what cannot be asked, and `FacenetError` when the network cannot be
    exported or the file differs from it; then nothing is written.
    """
    kind = checked_format(path, kind, precision=precision, with_images=folder is not None)
    if kind == BUNDLE:
        raise RequestError(f"{path}: save_bundle writes bundles")
    if not isinstance(model, TorchModel):
        raise RequestError(
            f"{model.card.network}: facenet did not build it and cannot write it in another form; "
            f"only --format {BUNDLE} is possible, and {model.weights_name} in it is the network"
        )
    if model.device.type != "cpu":
        raise DeviceError(f"device {model.device}: load a model on the CPU to export it")
    checked_output_file(path).parent.mkdir(parents=True, exist_ok=True)
    size = model.card.preprocessing.image_size
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        written = Path(scratch) / path.name
        if folder is None:
            faces = drawn_faces(size)
        elif precision == "fp32":
            faces = all_faces(folder, size, progress)
        else:
            calibration, faces = calibration_and_measured(folder, size, progress)
        with progress("writing"), _named_failure(model, kind, path):
            FORMATS[kind].write(model, written)
        if precision == "int8":
            with _named_failure(model, "int8", path):
                quantize(written, calibration, progress)
        exported = FORMATS[kind].open(written)
        parity = check_parity(
            model,
            exported,
            faces,
            path,
            progress,
            max_tar_drop=None if precision == "fp32" else max_tar_drop,
        )
        megabytes = written.stat().st_size / 1e6
        os.replace(written, path)
    crop = faces.crops[:1]
    own, its = latencies([lambda: model.embed(crop), lambda: exported(to_pixels(crop))])
    return Export(path, kind, precision, megabytes, its, own, parity)


@contextmanager
def _named_failure(model: TorchModel, kind: str, path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the code of any network makes an exporter stumble over
        reason = first_line(error)
        raise FacenetError(
            f"{path}: not written, {model.card.network} cannot be exported as {kind}: {reason}"
        ) from error
