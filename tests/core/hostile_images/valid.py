"""Files that people have: every format, in every mode, upright or not."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps
from samples import BLACK_AND_WHITE, COLOURS, GREYS, Sample, as_stored, encoded, exif, quarters
from writers import as_ycck, big_endian_tiff, interlaced, png

WHITE = (255, 255, 255)


def samples() -> Iterator[Sample]:
    for group in (pngs, jpegs, bitmaps, gifs, pixmaps, tiffs, webps, turned):
        yield from group()


def pngs() -> Iterator[Sample]:
    grey, picture = quarters(GREYS).convert("L"), quarters()
    black_and_white = quarters(BLACK_AND_WHITE).convert("1")
    yield Sample("1.png", encoded(black_and_white, "PNG"), BLACK_AND_WHITE)
    yield Sample("L.png", encoded(grey, "PNG"), GREYS)
    yield Sample("RGB.png", encoded(picture, "PNG"), COLOURS)
    yield Sample("P.png", encoded(picture.quantize(4), "PNG"), COLOURS)
    clear = [WHITE, *COLOURS[1:]]
    see_through = picture.convert("RGBA")
    see_through.paste((0, 0, 0, 0), (0, 0, 24, 16))
    yield Sample("RGBA.png", encoded(see_through, "PNG"), clear)
    pale = grey.convert("LA")
    pale.paste((0, 0), (24, 0, 48, 16))
    yield Sample("LA.png", encoded(pale, "PNG"), [GREYS[0], WHITE, *GREYS[2:]])
    indexed = picture.quantize(4)
    first = indexed.getpixel((0, 0))
    yield Sample("P_index.png", encoded(indexed, "PNG", transparency=first), clear)
    alphas = bytes(0 if index == first else 254 for index in range(4))
    yield Sample("P_alphas.png", encoded(indexed, "PNG", transparency=alphas), clear)
    yield Sample("RGB_key.png", encoded(picture, "PNG", transparency=COLOURS[0]), clear)
    light = [WHITE, *GREYS[1:]]
    yield Sample("L_key.png", encoded(grey, "PNG", transparency=0), light)
    wide = np.asarray(grey).astype(np.uint16) * 257
    yield Sample("16_bit_grey.png", encoded(Image.fromarray(wide), "PNG"), GREYS)
    deep = (np.asarray(picture).astype(">u2") * 257).view(np.uint8).reshape(32, 48 * 6)
    yield Sample("16_bit_RGB.png", png(deep, 48, 16, 2), COLOURS)
    opaque = np.dstack([np.asarray(picture), np.full((32, 48), 255, np.uint8)])
    deep = (opaque.astype(">u2") * 257).view(np.uint8).reshape(32, 48 * 8)
    yield Sample("16_bit_RGBA.png", png(deep, 48, 16, 6), COLOURS)
    two_bits = np.full((32, 12), 0b00000000, np.uint8)
    two_bits[:16, 6:], two_bits[16:, :6], two_bits[16:, 6:] = 0b01010101, 0b10101010, 0b11111111
    yield Sample("2_bit_grey.png", png(two_bits, 48, 2, 0), GREYS)
    yield Sample("interlaced.png", interlaced(np.asarray(picture)), COLOURS)
    yield Sample(
        "animated.png", encoded(picture, "PNG", save_all=True, append_images=_others()), COLOURS
    )
    plain = encoded(picture, "PNG")
    yield Sample("trailing.png", plain + b"garbage" * 1000, COLOURS)
    at = plain.index(b"IDAT")
    (length,) = struct.unpack(">I", plain[at - 4 : at])
    end = at + 4 + length
    damaged = plain[:end] + b"\0\0\0\0" + plain[end + 4 :]
    yield Sample("data_checksum.png", damaged, COLOURS)


def jpegs() -> Iterator[Sample]:
    picture, grey = quarters(), quarters(GREYS).convert("L")
    plain = encoded(picture, "JPEG", quality=95)
    yield Sample("L.jpg", encoded(grey, "JPEG", quality=95), GREYS, tolerance=8)
    for name, options in {
        "RGB": {},
        "progressive": {"progressive": True},
        "444": {"subsampling": 0},
        "restarts": {"restart_marker_blocks": 1},
        "kept_RGB": {"keep_rgb": True},
        "comment": {"comment": b"\xff\xda" * 200},
        "profile": {"icc_profile": b"no profile" * 30_000},
    }.items():
        content = encoded(picture, "JPEG", quality=95, **options)
        yield Sample(f"{name}.jpg", content, COLOURS, tolerance=12)
    cmyk = encoded(picture.convert("CMYK"), "JPEG", quality=95)
    yield Sample("CMYK.jpg", cmyk, COLOURS, tolerance=12)
    # Stored are luminance and colours of the negative, and a K of 255; Pillow inverts all of it.
    negative = ImageOps.invert(picture).convert("YCbCr")
    bands = [*(255 - np.asarray(band) for band in negative.split()), np.zeros((32, 48), np.uint8)]
    ycck = Image.merge("CMYK", [Image.fromarray(band) for band in bands])
    yield Sample("YCCK.jpg", as_ycck(encoded(ycck, "JPEG", quality=95)), COLOURS, tolerance=12)
    multi = encoded(picture, "MPO", quality=95, save_all=True, append_images=_others())
    yield Sample("phone.jpg", multi, COLOURS, tolerance=12)
    video = np.random.default_rng(0).integers(0, 256, 12_000_000, np.uint8).tobytes()
    yield Sample("motion_photo.jpg", plain + video, COLOURS, tolerance=12)
    yield Sample("trailing.jpg", plain + b"garbage" * 1000, COLOURS, tolerance=12)
    for name, data in {
        "corrupt_exif": b"Exif\0\0MM\0*\xff\xff\xff\xff",
        "exif_loop": b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
        + b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" * 99,
        "exif_is_text": b"Exif\0\0the upper side is where the hair is",
    }.items():
        content = encoded(picture, "JPEG", quality=95, exif=data)
        yield Sample(f"{name}.jpg", content, COLOURS, tolerance=12)
    padded = plain[:2] + b"\xff" * 100 + plain[2:]
    yield Sample("padded.jpg", padded, COLOURS, tolerance=12)


def bitmaps() -> Iterator[Sample]:
    picture = quarters()
    yield Sample("1.bmp", encoded(quarters(BLACK_AND_WHITE).convert("1"), "BMP"), BLACK_AND_WHITE)
    yield Sample("L.bmp", encoded(quarters(GREYS).convert("L"), "BMP"), GREYS)
    yield Sample("P.bmp", encoded(picture.quantize(4), "BMP"), COLOURS)
    plain = encoded(picture, "BMP")
    yield Sample("RGB.bmp", plain, COLOURS)
    yield Sample("RGBA.bmp", encoded(picture.convert("RGBA"), "BMP"), COLOURS)
    upside_down = [COLOURS[index] for index in (2, 3, 0, 1)]
    top_down = plain[:22] + struct.pack("<i", -32) + plain[26:]
    yield Sample("top_down.bmp", top_down, upside_down)
    rows = [bytes((24, low, 24, high, 0, 0)) * 16 for low, high in ((2, 3), (0, 1))]
    palette = b"".join(bytes((b, g, r, 0)) for r, g, b in COLOURS)
    body = b"".join(rows) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 48, 32, 1, 8, 1, len(body), 0, 0, 4, 0)
    start = struct.pack("<2sIII", b"BM", 14 + 40 + 16 + len(body), 0, 14 + 40 + 16)
    yield Sample("run_lengths.bmp", start + header + palette + body, COLOURS)


def gifs() -> Iterator[Sample]:
    picture = quarters()
    indexed = picture.quantize(4)
    yield Sample("L.gif", encoded(quarters(GREYS).convert("L"), "GIF"), GREYS)
    yield Sample("P.gif", encoded(indexed, "GIF"), COLOURS)
    yield Sample("interlaced.gif", encoded(indexed, "GIF", interlace=1), COLOURS)
    first = indexed.getpixel((0, 0))
    clear = encoded(indexed, "GIF", transparency=first)
    yield Sample("transparent.gif", clear, [WHITE, *COLOURS[1:]])
    moving = encoded(picture, "GIF", save_all=True, append_images=_others(), comment=b"hello" * 99)
    yield Sample("animated.gif", moving, COLOURS)


def pixmaps() -> Iterator[Sample]:
    picture, grey = quarters(), quarters(GREYS).convert("L")
    black_and_white = quarters(BLACK_AND_WHITE).convert("1")
    yield Sample("1.ppm", encoded(black_and_white, "PPM"), BLACK_AND_WHITE)
    yield Sample("L.pgm", encoded(grey, "PPM"), GREYS)
    yield Sample("RGB.ppm", encoded(picture, "PPM"), COLOURS)
    for maximum in (65535, 1023, 100):
        steps = np.round(np.asarray(grey) / 255 * maximum)
        data = steps.astype("u1" if maximum < 256 else ">u2").tobytes()
        header = b"P5 # a comment\n48\t32\n%d\n" % maximum
        yield Sample(f"{maximum}.pgm", header + data, GREYS)
    steps = np.round(np.asarray(picture) / 255 * 1023).astype(">u2").tobytes()
    yield Sample("1023.ppm", b"P6\n48 32 1023\n" + steps, COLOURS)
    text = " ".join(map(str, np.asarray(picture).ravel())).encode()
    yield Sample("plain.ppm", b"P3 48 32 255\n" + text, COLOURS)


def tiffs() -> Iterator[Sample]:
    picture, grey = quarters(), quarters(GREYS).convert("L")
    black_and_white = quarters(BLACK_AND_WHITE).convert("1")
    yield Sample("1.tif", encoded(black_and_white, "TIFF"), BLACK_AND_WHITE)
    faxed = encoded(black_and_white, "TIFF", compression="group4")
    yield Sample("faxed.tif", faxed, BLACK_AND_WHITE)
    yield Sample("L.tif", encoded(grey, "TIFF"), GREYS)
    yield Sample("LA.tif", encoded(grey.convert("LA"), "TIFF"), GREYS)
    yield Sample("P.tif", encoded(picture.quantize(4), "TIFF"), COLOURS)
    yield Sample("RGBA.tif", encoded(picture.convert("RGBA"), "TIFF"), COLOURS)
    yield Sample("CMYK.tif", encoded(picture.convert("CMYK"), "TIFF"), COLOURS)
    for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        content = encoded(picture, "TIFF", compression=kind)
        yield Sample(f"{kind}.tif", content, COLOURS, tolerance=12 if kind == "jpeg" else 3)
    yield Sample("big.tif", encoded(picture, "TIFF", big_tiff=True), COLOURS)
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    yield Sample("16_bit_grey.tif", encoded(wide, "TIFF"), GREYS)
    yield Sample("16_bit_big_endian.tif", big_endian_tiff(np.asarray(wide)), GREYS)
    whole = Image.fromarray(np.asarray(grey).astype(np.int32) * 257)
    yield Sample("32_bit_within_16.tif", encoded(whole, "TIFF"), GREYS)
    too_wide = Image.fromarray(np.asarray(grey).astype(np.int32) * 70_000)
    refused = "more than 16 bits"
    yield Sample("32_bit.tif", encoded(too_wide, "TIFF"), refused=refused)
    floating = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    yield Sample("float.tif", encoded(floating, "TIFF"), refused="floating-point")
    pages = encoded(picture, "TIFF", save_all=True, append_images=_others())
    yield Sample("pages.tif", pages, COLOURS)
    described = exif(1)
    described.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    yield Sample("exif.tif", encoded(picture, "TIFF", exif=described), COLOURS)
    yield Sample("lzma.tif", encoded(picture, "TIFF", compression="lzma"), refused="compressed")


def webps() -> Iterator[Sample]:
    picture = quarters()
    yield Sample("lossy.webp", encoded(picture, "WEBP", quality=95), COLOURS, tolerance=12)
    yield Sample("lossless.webp", encoded(picture, "WEBP", lossless=True), COLOURS)
    see_through = picture.convert("RGBA")
    see_through.paste((0, 0, 0, 0), (0, 0, 24, 16))
    clear = encoded(see_through, "WEBP", lossless=True)
    yield Sample("transparent.webp", clear, [WHITE, *COLOURS[1:]])
    moving = encoded(picture, "WEBP", lossless=True, save_all=True, append_images=_others())
    yield Sample("animated.webp", moving, COLOURS)
    yield Sample("trailing.webp", encoded(picture, "WEBP", lossless=True) + b"x" * 999, COLOURS)


def turned() -> Iterator[Sample]:
    for orientation in range(1, 9):
        stored = as_stored(orientation)
        for kind, options, tolerance in (
            ("JPEG", {"quality": 95, "subsampling": 0}, 12),
            ("PNG", {}, 3),
            ("WEBP", {"lossless": True}, 3),
            ("TIFF", {}, 3),
        ):
            content = encoded(stored, kind, exif=exif(orientation), **options)
            name = f"orientation_{orientation}.{kind.lower()}"
            yield Sample(name, content, COLOURS, tolerance=tolerance)
    compressed = encoded(as_stored(6), "TIFF", exif=exif(6), compression="tiff_lzw")
    yield Sample("orientation_6_lzw.tif", compressed, COLOURS)


def _others() -> list[Image.Image]:
    """Further frames, of another colour."""
    return [Image.new("RGB", (48, 32), "purple")] * 2
