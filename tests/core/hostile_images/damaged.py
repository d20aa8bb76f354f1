"""Valid files that were cut, or of which bytes were changed: pixels or an error, no more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image
from samples import Sample, encoded, exif, quarters

CUTS = (0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95, 0.98)
CHANGES = 40


def samples() -> Iterator[Sample]:
    for kind, content in originals().items():
        for part in CUTS:
            yield Sample(f"cut_{part}.{kind}", content[: int(part * len(content))], refused="")
        rng = np.random.default_rng(len(content))
        for number in range(CHANGES):
            changed = np.frombuffer(content, np.uint8).copy()
            # Half of them near the start, where the structure is.
            reach = len(changed) if number % 2 else min(200, len(changed))
            places = rng.integers(0, reach, 1 + number % 8)
            changed[places] = rng.integers(0, 256, len(places))
            yield Sample(f"changed_{number}.{kind}", changed.tobytes())


def originals() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(-20, 21, (120, 160, 3))
    pixels = np.clip(np.asarray(quarters(size=(160, 120))) + noise, 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels)
    indexed = picture.quantize(64)
    return {
        "baseline.jpg": encoded(picture, "JPEG", exif=exif(6)),
        "progressive.jpg": encoded(picture, "JPEG", progressive=True, exif=exif(3)),
        "RGB.png": encoded(picture, "PNG", exif=exif(8)),
        "P.png": encoded(indexed, "PNG", transparency=0),
        "gif": encoded(indexed, "GIF", transparency=3),
        "bmp": encoded(picture, "BMP"),
        "P.bmp": encoded(indexed, "BMP"),
        "ppm": encoded(picture, "PPM"),
        "1000.pgm": b"P5 160 60 1000\n" + picture.convert("L").tobytes(),
        "lossy.webp": encoded(picture, "WEBP", exif=exif(5)),
        "lossless.webp": encoded(picture.convert("RGBA"), "WEBP", lossless=True),
        "raw.tif": encoded(picture, "TIFF", exif=exif(7)),
        "lzw.tif": encoded(picture, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": encoded(picture, "TIFF", compression="jpeg"),
    }
