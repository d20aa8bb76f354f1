"""Draws docs/images/augmentation.jpg: what each augmentation does to one drawn face.

python docs/images/augmentation.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image
from torchvision.utils import make_grid

from facenet.data import Augmentation
from facenet.drawn_faces import draw_face

ROWS = [[name] for name in ("flip", "color", "crop", "rotation", "blur", "jpeg")]
ROWS += [["flip", "color", "crop"]]
SIZE, VARIANTS, MARGIN = 112, 7, 150


def main() -> None:
    """One row for each augmentation: the face as it is, then as training sees it."""
    face = pil_to_tensor(draw_face(4, 2, size=SIZE))
    same = face.repeat(VARIANTS, 1, 1, 1)
    rows = [torch.cat([face[None], Augmentation(names)(same, seed=2)]) for names in ROWS]
    grid = to_pil_image(make_grid(torch.cat(rows), nrow=VARIANTS + 1, padding=4, pad_value=255))
    picture = Image.new("RGB", (MARGIN + grid.width, grid.height), "white")
    picture.paste(grid, (MARGIN, 0))
    pen = ImageDraw.Draw(picture)
    for number, names in enumerate(ROWS):
        top = 4 + number * (SIZE + 4)
        pen.text((12, top + SIZE // 2), ", ".join(names), fill="black", anchor="lm", font_size=16)
    picture.save(Path(__file__).with_suffix(".jpg"), quality=88, optimize=True)


if __name__ == "__main__":
    main()
