"""JPEGs that are made to harm."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image
from samples import COLOURS, MANY, Sample, encoded, quarters


def jpegs() -> Iterator[Sample]:
    plain = encoded(quarters(), "JPEG", quality=95)
    tables, picture = plain[:2], plain[2:]
    frame = plain.index(b"\xff\xc0")
    for size in ((65535, 65535), (0, 32), (48, 0)):
        dimensions = struct.pack(">HH", size[1], size[0])
        content = plain[: frame + 5] + dimensions + plain[frame + 9 :]
        refused = "header is damaged" if 0 in size else "pixels are more than"
        yield Sample(f"{size[0]}x{size[1]}.jpg", content, refused=refused)
    arithmetic = plain[:frame] + b"\xff\xc9" + plain[frame + 2 :]
    yield Sample("arithmetic.jpg", arithmetic, refused="neither baseline nor progressive")
    lossless = plain[:frame] + b"\xff\xc3" + plain[frame + 2 :]
    yield Sample("lossless.jpg", lossless, refused="neither baseline nor progressive")
    comments = tables + b"\xff\xfe\0\2" * 5 * MANY + picture
    yield Sample("comments.jpg", comments, refused="50,000 segments")
    first = plain[:20]  # with JFIF's segment
    garbage = first + bytes(20 * MANY) + plain[20:]
    yield Sample("garbage.jpg", garbage, COLOURS, tolerance=12)
    yield Sample("padding.jpg", tables + b"\xff" * 20 * MANY + picture, COLOURS, tolerance=12)
    application = b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)
    yield Sample("exif_flood.jpg", tables + application * 700 + picture, COLOURS, tolerance=12)
    profile = b"\xff\xe2\xff\xffICC_PROFILE\0\1\1" + bytes(65519)
    yield Sample("profile_flood.jpg", tables + profile * 700 + picture, COLOURS, tolerance=12)
    quantisation = b"\xff\xdb" + struct.pack(">H", 2 + 65 * 1000) + (b"\0" + b"\1" * 64) * 1000
    yield Sample("tables.jpg", tables + quantisation * 700 + picture, refused="before its picture")
    twice = plain[:frame] + plain[frame : frame + 19] + plain[frame:]
    yield Sample("two_frames.jpg", twice, refused="")
    yield Sample("no_scan.jpg", plain[: plain.index(b"\xff\xda")], refused="without a picture")
    yield Sample("ended.jpg", plain[:2] + b"\xff\xd9" + plain[2:], refused="without a picture")
    multi = encoded(
        quarters(), "MPO", quality=95, save_all=True, append_images=[Image.new("RGB", (48, 32))]
    )
    broken = multi.replace(b"MPF\0II*\0", b"MPF\0II*\1")
    yield Sample("broken_mpo.jpg", broken, COLOURS, tolerance=12)


def jpeg_scans() -> Iterator[Sample]:
    progressive = encoded(Image.new("RGB", (48, 32), "tan"), "JPEG", progressive=True)
    last = progressive.rindex(b"\xff\xda")
    for count in (91, 5000):
        content = progressive[:-2] + progressive[last:-2] * count + b"\xff\xd9"
        yield Sample(f"{count}_scans.jpg", content, refused=f"{count + 10} scans|segments")
    some = progressive[:-2] + progressive[last:-2] * 50 + b"\xff\xd9"
    yield Sample("60_scans.jpg", some, [(210, 180, 140)] * 4, tolerance=12)
    # Hidden behind the end, which a decoder does not pass.
    hidden = progressive + progressive[last:-2] * 5000
    yield Sample("scans_behind.jpg", hidden, [(210, 180, 140)] * 4, tolerance=12)
    large = encoded(Image.new("RGB", (5000, 5000), "tan"), "JPEG", progressive=True)
    last = large.rindex(b"\xff\xda")
    content = large[:-2] + large[last:-2] * 60 + b"\xff\xd9"
    yield Sample("large_scans.jpg", content, refused="70 scans")
