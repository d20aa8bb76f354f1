r"""Draws docs/images/search.png: the answer of `facenet search` on a group of drawn people.

    facenet demo
    facenet models get yunet
    facenet align --data artifacts/demo/faces --output artifacts/aligned --size 64
    facenet train --config artifacts/demo/config.yaml --set data.root=artifacts/aligned \
      --set logging.output_dir=artifacts/train-aligned
    python docs/images/search.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from facenet import Recognizer
from facenet.drawn_faces import draw_face
from facenet.imaging import open_photo
from facenet.recognition.pictures import picture_of_search

MODEL = "artifacts/train-aligned/bundle"
POPULATION = 1
"""Other people than those whom the model was trained on."""
PEOPLE = {5: "Ada", 1: "Émile", 22: "Игорь", 4: "Ελένη", 14: "Žofia", 20: None}
"""Their numbers and names; the last is not enrolled."""
SIZE, COLUMNS, SAMPLES, COLOURS = 216, 3, 8, 192


def main() -> None:
    """Enrol five people with other pictures, search the group, and keep few colours."""
    group = [_picture(person, 0) for person in PEOPLE]
    rows = [np.hstack(group[:COLUMNS]), np.hstack(group[COLUMNS:])]
    photo = open_photo(np.vstack(rows))
    settings = {"detector": "yunet", "store": "memory", "quality": "off"}
    with Recognizer.from_pretrained(MODEL, **settings) as recognizer:
        for person, name in PEOPLE.items():
            if name is not None:
                recognizer.enrol(name, [_picture(person, 1 + n) for n in range(SAMPLES)])
        results = recognizer.search(photo)
    picture = Image.fromarray(picture_of_search(photo, results))
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(Path(__file__).with_suffix(".png"), optimize=True)


def _picture(person: int, sample: int) -> Image.Image:
    """Drawn larger and reduced, which leaves less grain to compress."""
    return draw_face(person, sample, seed=POPULATION, size=3 * SIZE).reduce(3)


if __name__ == "__main__":
    main()
