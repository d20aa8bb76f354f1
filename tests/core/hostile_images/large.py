"""The largest files that are allowed: 25 megapixels, 50 MB, and what just exceeds them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from samples import COLOURS, GREYS, Sample, as_stored, encoded, exif, quarters
from writers import png, png_file

SIZE = 6250, 4000
MAX_BYTES = 50_000_000


def samples() -> Iterator[Sample]:
    picture, grey = quarters(size=SIZE), quarters(GREYS, SIZE).convert("L")
    clear = picture.copy()
    clear.putalpha(254)
    indexed = picture.quantize(4)
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    sideways = as_stored(6, size=SIZE)

    def sample(name: str, image: Image.Image, kind: str, **options: Any) -> Sample:
        tolerance = 12 if "quality" in options else 3
        colours = GREYS if image.mode in ("L", "I;16") else COLOURS
        return Sample(name, encoded(image, kind, **options), colours, SIZE, tolerance)

    for name, options in {
        "baseline": {},
        "progressive": {"progressive": True, "subsampling": 0},
    }.items():
        yield sample(f"{name}.jpg", _noisy(picture), "JPEG", quality=92, **options)
    grained = encoded(_noisy(picture), "PNG", compress_level=1)
    yield Sample("grained.png", grained, COLOURS, SIZE, 12)
    yield sample("L.jpg", grey, "JPEG", quality=92)
    yield sample("CMYK.jpg", picture.convert("CMYK"), "JPEG", quality=92)
    yield sample("CMYK_progressive.jpg", picture.convert("CMYK"), "JPEG", quality=92, progressive=1)
    yield sample("sideways.jpg", sideways, "JPEG", quality=92, exif=exif(6))
    yield sample("RGB.png", picture, "PNG", compress_level=1)
    yield sample("RGBA.png", clear, "PNG", compress_level=1)
    yield sample("P.png", indexed, "PNG", transparency=bytes([254] * 4), compress_level=1)
    yield sample("sideways.png", sideways, "PNG", compress_level=1, exif=exif(6))
    yield sample("16_bit.png", wide, "PNG", compress_level=1)
    yield sample("P.bmp", indexed, "BMP")
    yield sample("P.gif", indexed, "GIF")
    yield sample("L.pgm", grey, "PPM")
    yield sample("lzw.tif", picture, "TIFF", compression="tiff_lzw")
    yield sample("sideways.tif", sideways, "TIFF", compression="tiff_lzw", exif=exif(6))
    yield sample("jpeg.tif", picture, "TIFF", compression="jpeg", quality=92)
    yield sample("RGBA.tif", clear, "TIFF", compression="tiff_adobe_deflate")
    yield sample("16_bit.tif", wide, "TIFF", compression="tiff_adobe_deflate")
    yield sample("lossless.webp", picture, "WEBP", lossless=True, quality=0, method=0)
    yield sample("RGBA.webp", clear, "WEBP", lossless=True, quality=0, method=0)
    yield sample("lossy.webp", picture, "WEBP", quality=80, method=0)
    # The same with 50 MB in the file.
    for kind, options in {
        "JPEG": {"quality": 92},
        "PNG": {"compress_level": 1},
        "GIF": {},
        "TIFF": {"compression": "tiff_lzw"},
    }.items():
        image = indexed if kind == "GIF" else picture
        content = encoded(image, kind, **options)
        filler = bytes(MAX_BYTES - len(content) - 12)
        if kind == "PNG":  # between the data, as what follows the end is left out
            content = content[:-12] + png_file((b"IDAT", filler))[8:] + content[-12:]
        else:
            content += filler
        yield Sample(f"filled.{kind.lower()}", content, COLOURS, SIZE, 12)
    yield Sample("filled.webp", _filled_webp(picture), refused="bytes of memory")
    yield from _refused(picture)


def _refused(picture: Image.Image) -> Iterator[Sample]:
    yield Sample("RGB.bmp", encoded(picture, "BMP"), refused="bytes are more than")
    one_more = Image.new("L", (SIZE[0], SIZE[1] + 1))
    yield Sample("one_more.png", encoded(one_more, "PNG"), refused="pixels are more than")
    deep = png(np.zeros((SIZE[1], SIZE[0] * 8), np.uint8), SIZE[0], 16, 6)
    yield Sample("16_bit_RGBA.png", deep, refused="bytes to unpack are more than")
    progressive = encoded(picture, "JPEG", progressive=True)
    filled = progressive + bytes(MAX_BYTES // 2 - len(progressive))
    yield Sample("progressive_filled.jpg", filled, refused="a progressive JPEG of more than")


def _noisy(picture: Image.Image) -> Image.Image:
    """The picture with grain, of which a compressed file does not become small."""
    grain = np.random.default_rng(0).integers(-6, 7, (500, 625, 3))
    pixels = np.asarray(picture).reshape(8, 500, 10, 625, 3) + grain[:, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8).reshape(4000, 6250, 3))


def _filled_webp(picture: Image.Image) -> bytes:
    plain = encoded(picture, "WEBP", lossless=True, quality=0, method=0)
    filler = bytes(MAX_BYTES - len(plain) - 8)
    body = plain[8:] + b"ABCD" + struct.pack("<I", len(filler)) + filler
    return b"RIFF" + struct.pack("<I", len(body)) + body
