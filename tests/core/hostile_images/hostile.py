"""Files that are made to harm, or are no images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from hostile_jpegs import jpeg_scans, jpegs
from hostile_tiffs import tiffs
from samples import COLOURS, MANY, Sample, encoded, quarters
from writers import png_chunks, png_file

UNKNOWN = "not an image in a known format"


def samples() -> Iterator[Sample]:
    for group in (strangers, pngs, jpegs, jpeg_scans, gifs, tiffs, bitmaps, pixmaps, webps):
        yield from group()


def strangers() -> Iterator[Sample]:
    yield Sample("empty.jpg", b"", refused="is empty")
    for name, content in {
        "one_byte.jpg": b"\xff",
        "text.jpg": b"hello, I am a text",
        "page.png": b"<!DOCTYPE html><html><body>not found</body></html>",
        "paper.jpg": b"%PDF-1.7\n1 0 obj\n",
        "archive.jpg": b"PK\x03\x04" + bytes(100),
        "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://x/'/></svg>",
        "program.bmp": b"\x7fELF\x02\x01\x01" + bytes(100),
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "icon.ico": b"\0\0\1\0\1\0" + bytes(100),
        "floats.pfm": b"Pf\n2 2\n-1.0\n" + bytes(16),
    }.items():
        yield Sample(name, content, refused=UNKNOWN)
    for name, magic in {
        "start.jpg": b"\xff\xd8\xff",
        "start.png": b"\x89PNG\r\n\x1a\n",
        "start.gif": b"GIF89a",
        "start.bmp": b"BM",
        "start.tif": b"II*\0",
        "start.webp": b"RIFF\x10\0\0\0WEBP",
        "start.ppm": b"P6\n",
    }.items():
        yield Sample(name, magic, refused="")


def pngs() -> Iterator[Sample]:
    start, *_, end = png_chunks(encoded(quarters(), "PNG"))
    data = (b"IDAT", zlib.compress(bytes(32 * (1 + 3 * 48))))
    picture = (start, data, end)
    black = [(0, 0, 0)] * 4
    for size in ((9381, 9381), (65535, 65535), (2**31 - 1, 2**31 - 1)):
        bomb = zlib.compress(bytes(1 + 3 * 9381) * 9381, 9) if size[0] == 9381 else b""
        header = (b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
        name = f"bomb_{size[0]}.png"
        yield Sample(name, png_file(header, (b"IDAT", bomb), end), refused="pixels are more than")
    nothing = (b"IHDR", struct.pack(">IIBBBBB", 0, 32, 8, 2, 0, 0, 0))
    yield Sample("no_width.png", png_file(nothing, data, end), refused="header is damaged")
    odd = (b"IHDR", struct.pack(">IIBBBBB", 48, 32, 7, 5, 0, 0, 0))
    yield Sample("odd_depth.png", png_file(odd, data, end), refused="header is damaged")
    large = zlib.compress(bytes(50_000_000), 9)
    yield Sample("zTXt.png", png_file(start, (b"zTXt", b"a\0\0" + large), data, end), black)
    yield Sample("iCCP.png", png_file(start, (b"iCCP", b"a\0\0" + large), data, end), black)
    wide = zlib.compress("\U0001f600".encode() + b"a" * 1_000_000, 9)
    texts = [(b"iTXt", b"a%d\0\1\0\0\0" % number + wide) for number in range(63)]
    yield Sample("iTXt.png", png_file(start, *texts, data, end), black)
    later = png_file(start, data, (b"zTXt", b"a\0\0" + large), *texts, end)
    yield Sample("texts_behind.png", later, black)
    more = png_file(start, (b"IDAT", zlib.compress(bytes(100_000_000), 9)), end)
    yield Sample("more_data.png", more, black)
    frames = (b"acTL", struct.pack(">II", 2**31, 0))
    yield Sample("frames.png", png_file(start, frames, data, end), black)
    chunk = png_file((b"tEXt", b"a\0b"))[8:]
    flood = png_file(start) + chunk * MANY + png_file(*picture[1:])[8:]
    yield Sample("chunks.png", flood, refused="50,000 chunks")
    empty = png_file((b"IDAT", b""))[8:]
    flood = png_file(start) + empty * MANY + png_file(*picture[1:])[8:]
    yield Sample("empty_data.png", flood, refused="50,000 chunks")
    yield Sample("two_headers.png", png_file(start, start, data, end), refused="header")
    yield Sample("late_header.png", png_file(data, start, end), refused="header")
    damaged = bytearray(png_file(*picture))
    damaged[29] ^= 1
    yield Sample("header_checksum.png", bytes(damaged), refused="checksum")
    yield Sample("no_data.png", png_file(start, end), refused="")
    yield Sample("little_data.png", png_file(start, (b"IDAT", zlib.compress(b"")), end), refused="")
    palette = (b"IHDR", struct.pack(">IIBBBBB", 48, 32, 8, 3, 0, 0, 0))
    yield Sample("no_palette.png", png_file(palette, data, end))
    lie = struct.pack(">I", 2**32 - 1) + b"tEXt" + bytes(100)
    yield Sample("long_chunk.png", png_file(start) + lie, refused="")


def gifs() -> Iterator[Sample]:
    plain = encoded(quarters().quantize(4), "GIF")
    screen = struct.pack("<HH", 65535, 65535)
    yield Sample("canvas.gif", plain[:6] + screen + plain[10:], refused="pixels are more than")
    screen = struct.pack("<HH", 13_000, 13_000)
    at = plain.index(b",", 13)
    control = b"!\xf9\4\x08\0\0\0\0"
    frame = plain[at : at + 5] + screen + plain[at + 9 :]
    content = plain[:6] + screen + plain[10:at] + control + frame
    yield Sample("disposed.gif", content, refused="pixels are more than")
    frame = plain[at : at + 5] + screen + plain[at + 9 :]
    yield Sample("frame.gif", plain[:at] + frame, refused="pixels are more than")
    comments = b"!\xfe" + b"\1a" * 5 * MANY + b"\0"
    yield Sample("comments.gif", plain[:at] + comments + plain[at:], refused="50,000 blocks")
    yield Sample("garbage.gif", plain[:at] + bytes(9 * MANY) + plain[at:], refused="50,000 blocks")
    small = plain[:6] + struct.pack("<HH", 1, 1) + plain[10:]
    yield Sample("small_canvas.gif", small, COLOURS)


def bitmaps() -> Iterator[Sample]:
    plain = encoded(quarters(), "BMP")
    for name, width, height, refused in (
        ("negative", -48, 32, "pixels are more than"),
        ("huge", 2**31 - 1, 2**31 - 1, "pixels are more than"),
        ("bomb", 9381, 9381, "pixels are more than"),
        ("flat", 48, 0, "header is damaged"),
        ("long", 48, 40_000, "truncated"),
    ):
        content = plain[:18] + struct.pack("<ii", width, height) + plain[26:]
        yield Sample(f"{name}.bmp", content, refused=refused)
    indexed = encoded(quarters().quantize(4), "BMP")
    run_length = indexed[:30] + struct.pack("<I", 1) + indexed[34:]
    content = run_length[:18] + struct.pack("<ii", 5000, 5000) + run_length[26:]
    yield Sample("run_lengths.bmp", content, refused="run-length")
    yield Sample("runs.bmp", run_length + b"\0\0" * 5 * MANY, refused="run-length")
    yield Sample("no_header.bmp", plain[:14] + struct.pack("<I", 2**32 - 1), refused="")
    yield Sample("far_pixels.bmp", plain[:10] + b"\xff\xff\xff\x7f" + plain[14:], refused="")


def pixmaps() -> Iterator[Sample]:
    body = quarters().tobytes()
    for name, header, refused in (
        ("maximum", b"P6 48 32 70000\n", "maximum is 70000"),
        ("no_maximum", b"P6 48 32 0\n", "maximum is 0"),
        ("huge", b"P6 999999999 999999999 255\n", "pixels are more than"),
        ("bomb", b"P6 9381 9381 255\n", "pixels are more than"),
        ("flat", b"P6 48 0 255\n", "header is damaged"),
        ("negative", b"P6 -48 32 255\n", "header is damaged"),
        ("digits", b"P6 " + b"9" * 5000 + b" 32 255\n", "header is damaged"),
        ("short", b"P6 480 320 255\n", ""),
        ("short_16", b"P6 480 320 1000\n", ""),
        ("spaces", b"P6" + b" " * 20 * MANY + b"48 32 255\n", "header is damaged"),
        ("comment", b"P6 #" + b" " * 20 * MANY + b"\n48 32 255\n", "header is damaged"),
        ("text", b"P3 1000 1000 255\n" + b"1 " * 3 * MANY, "plain text"),
    ):
        yield Sample(f"{name}.ppm", header + body, refused=refused)


def webps() -> Iterator[Sample]:
    plain = encoded(quarters(), "WEBP", lossless=True)
    lossy = encoded(quarters(), "WEBP")
    yield Sample("size_less.webp", plain[:4] + struct.pack("<I", 10) + plain[8:], refused="")
    yield Sample("size_more.webp", plain[:4] + b"\xff\xff\xff\x7f" + plain[8:])
    yield Sample("chunk_more.webp", plain[:16] + b"\xff\xff\xff\x7f" + plain[20:], refused="")
    huge = struct.pack("<4sIB3x", b"VP8X", 10, 0) + b"\xff\xff\xff" * 2
    body = huge + plain[12:]
    content = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    yield Sample("canvas.webp", content, refused="")
    at = lossy.index(b"\x9d\x01\x2a") + 3
    content = lossy[:at] + struct.pack("<HH", 16383, 16383) + lossy[at + 4 :]
    yield Sample("frame.webp", content, refused="")
    flood = huge[:12] + b"\x2f\0\0\x1f\0\0" + b"ABCD\0\0\0\0" * MANY + plain[12:]
    content = b"RIFF" + struct.pack("<I", 4 + len(flood)) + b"WEBP" + flood
    yield Sample("chunks.webp", content, refused="50,000 chunks")
