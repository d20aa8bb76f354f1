"""Procedurally drawn faces: a data set for trying the framework without a download.

An *identity* is geometry and colouring (``Traits``); a *sample* is what a photograph changes
(``Variation``): pose, expression, light, backdrop, clothes, camera.  Glasses are in between: an
identity owns a certain pair or none, and owners wear theirs in about half of their pictures.

``traits`` chooses both, ``portrait`` draws the person in layers (with ``features`` and ``hair``, on
the ``canvas``), ``camera`` adds light and backdrop and takes the picture.  Shapes are laid out in
*face units* (x right, y down, z towards the viewer; crown at y = -1, eyes near 0, chin near 1),
turned with the head, drawn at three times the size and reduced once; the soft shading is computed
afterwards from the relief of the face.  Colours are RGB in [0, 1].  Equal arguments give equal
pixels.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from facenet.drawn_faces.camera import photograph
from facenet.drawn_faces.canvas import Pose
from facenet.drawn_faces.portrait import draw_portrait
from facenet.drawn_faces.traits import choose_traits, choose_variation
from facenet.paths import whole_file
from facenet.types import Progress

__all__ = ["draw_face", "write_faces"]


def draw_face(identity: int, sample: int, *, seed: int = 0, size: int = 96) -> Image.Image:
    """Draw picture ``sample`` of person ``identity``: an RGB image of ``size`` x ``size`` pixels.

    ``seed`` chooses the population: the same identity under another seed is someone else.  All
    three numbers are non-negative.
    """
    traits, variation = choose_traits(identity, seed), choose_variation(identity, sample, seed)
    pose = Pose(variation)
    person, cover = draw_portrait(traits, variation, pose, size)
    return photograph(person, cover, traits, variation, pose)


def write_faces(
    root: Path,
    *,
    identities: int,
    samples: int,
    seed: int = 0,
    size: int = 96,
    progress: Progress | None = None,
) -> None:
    """Write ``samples`` pictures of each person to ``root/id-000/000.jpg`` and so on.

    Pictures that exist are kept, and each appears whole or not at all, so calling again finishes
    an interrupted call.  ``progress(done, total)`` follows every picture, kept or drawn.  Raises
    `FacenetError` when one cannot be written.
    """
    total = identities * samples
    for done in range(total):
        identity, sample = divmod(done, samples)
        path = root / f"id-{identity:03d}" / f"{sample:03d}.jpg"
        if not path.exists():
            face = draw_face(identity, sample, seed=seed, size=size)
            with whole_file(path) as partial:
                face.save(partial, "JPEG", quality=92)
        if progress is not None:
            progress(done + 1, total)
