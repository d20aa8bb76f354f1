"""Who is drawn, and what one picture changes: both chosen at random, by seed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from facenet.drawn_faces.geometry import Array


def _palette(colours: str) -> Array:
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()]) / 255


_SKIN = _palette("f6d6c0 f2c6a8 e8b48e cb9469 a4714f 7e5540 603f30")  # light to deep
_HAIR = _palette("1f1b1d 382620 573825 7a4f33 7d3422 c2662e cda05c e6c893 828181 cfcdca")
_IRIS = _palette("40261a 6b4222 857032 57794a 4a7eab 788891")  # browns first, then light ones


class Hair(NamedTuple):
    """One hair style, in face units."""

    top: float  # height above the skull; 0 for a bald head
    side: float  # width beside it
    drop: float  # y where the hair before the ears ends
    back: float = -1.0  # y where the hair behind the head ends
    fringe: float = 0.0  # how far it falls over the forehead
    curl: float = 0.0  # 0 smooth .. 1 curly
    combed: bool = False  # strands follow the outline instead of crossing it
    steep: float = 4.0  # how late the hairline turns down towards the temples
    bun: bool = False


_STYLES = (
    Hair(0.00, 0.00, 0.00),  # bald
    Hair(0.05, 0.02, 0.06, steep=7),  # buzz cut
    Hair(0.14, 0.06, 0.10, fringe=0.16, curl=0.15, steep=6),  # crop
    Hair(0.18, 0.06, 0.12, fringe=0.13, combed=True, steep=6),  # side parting
    Hair(0.22, 0.05, 0.10, fringe=-0.04, curl=0.1, steep=7),  # quiff
    Hair(0.22, 0.15, 0.16, back=0.3, fringe=0.14, curl=1.0, combed=True),  # curls
    Hair(0.34, 0.32, 0.24, back=0.5, fringe=0.04, curl=1.0, combed=True),  # afro
    Hair(0.15, 0.15, 0.66, back=0.8, fringe=0.32, steep=14),  # bob
    Hair(0.14, 0.12, 0.90, back=1.5, fringe=0.04, combed=True, steep=6),  # long
    Hair(0.18, 0.20, 0.86, back=1.4, fringe=0.10, curl=0.5, combed=True, steep=7),  # wavy
    Hair(0.08, 0.03, 0.06, fringe=-0.02, steep=5, bun=True),
)


def _within(low: float, high: float) -> Any:
    """A field that is drawn uniformly from [low, high)."""
    return field(metadata={"range": (low, high)})


@dataclass(frozen=True)
class Traits:
    """What an identity keeps in all its pictures; lengths in face units."""

    skin: Array
    hair: Hair
    hair_colour: Array
    iris: Array
    lip_colour: Array
    frame: Array  # colour of the glasses
    jaw: float  # width of the jaw as a fraction of the face's
    lashes: float
    beard: float  # density on the jaw, [0, 1]
    moustache: float
    freckles: int
    moles: int
    glasses: bool
    texture: int  # seed of strands, curls, freckles and moles
    width: float = _within(0.64, 0.77)
    chin: float = _within(0.24, 0.44)
    chin_y: float = _within(0.90, 1.06)
    flush: float = _within(0.2, 1.0)
    hairline: float = _within(-0.68, -0.50)
    parting: float = _within(-0.4, 0.4)
    ear: float = _within(0.13, 0.21)
    eye: float = _within(0.145, 0.195)  # half width
    eye_ratio: float = _within(0.40, 0.66)
    eye_y: float = _within(-0.03, 0.06)
    eye_gap: float = _within(0.28, 0.35)  # half the distance between the pupils
    eye_tilt: float = _within(-0.10, 0.22)
    brow: float = _within(0.03, 0.08)
    brow_arch: float = _within(0.01, 0.07)
    brow_y: float = _within(-0.28, -0.21)
    brow_tilt: float = _within(-0.04, 0.015)
    nose: float = _within(0.11, 0.19)  # half width
    nose_y: float = _within(0.33, 0.45)
    nose_out: float = _within(0.12, 0.22)
    mouth: float = _within(0.20, 0.30)  # half width
    mouth_y: float = _within(0.60, 0.67)
    lip_upper: float = _within(0.03, 0.065)
    lip_lower: float = _within(0.045, 0.09)
    lens: float = _within(0.21, 0.26)
    lens_power: float = _within(2, 5)  # 2 is round, 5 nearly rectangular


@dataclass(frozen=True)
class Variation:
    """What one picture changes; angles in radians, shifts as fractions of the image."""

    yaw: float
    pitch: float
    roll: float
    light: Array  # unit vector towards the key light
    key: Array  # RGB intensity of the key light
    fill: Array  # RGB intensity of the ambient light
    smile: float  # -1 frown .. 1 smile
    gape: float  # mouth opening, face units
    glasses: bool
    backdrop: Array  # (3, 3): the two ends of a gradient, and the spots
    clothes: Array
    camera: int  # seed of backdrop and noise
    scale: float = _within(0.305, 0.375)  # of a face unit, as a fraction of the image
    x: float = _within(0.45, 0.55)
    y: float = _within(0.50, 0.58)
    brows: float = _within(-0.025, 0.05)  # how far they are raised, face units
    lids: float = _within(0.62, 1.12)  # openness factor
    gaze_x: float = _within(-0.28, 0.28)
    gaze_y: float = _within(-0.15, 0.15)
    blur: float = _within(0.0, 0.8)  # Gaussian radius, pixels of a 96 px picture
    noise: float = _within(0.006, 0.026)  # standard deviation


def choose_traits(identity: int, seed: int) -> Traits:
    rng = np.random.default_rng((seed, 0, identity))
    tone, masculine = rng.uniform(0, len(_SKIN) - 1.001), rng.random() < 0.5
    low = int(tone)
    lighter, deeper = _SKIN[low : low + 2]
    skin = lighter + (deeper - lighter) * (tone - low) + rng.normal(0, (0.01, 0.004, 0.01))
    # Deeper skin mostly comes with darker hair and eyes; the palettes are ordered for that.
    shade = rng.integers(len(_HAIR) if tone < 2.5 else 3) if rng.random() < 0.9 else 8
    hair = _STYLES[rng.choice(len(_STYLES), p=[0.05] + [0.095] * 10)]
    taller, wider = rng.uniform(0.8, 1.3, 2)
    hair = hair._replace(top=hair.top * taller, side=hair.side * wider)
    density = rng.uniform(0.2, 1) if masculine and hair.back < 0.6 and rng.random() < 0.6 else 0.0
    beard = rng.choice([0, 1, 1])
    rouge = 0.0 if masculine else rng.uniform(0, 0.6)
    return Traits(
        skin=skin,
        hair=hair,
        hair_colour=_HAIR[shade] * rng.uniform(0.85, 1.1),
        iris=_IRIS[rng.integers(len(_IRIS) if tone < 3 else 2)] * rng.uniform(0.85, 1.15),
        lip_colour=skin * (0.86, 0.6, 0.6) * (1 - rouge) + np.array([0.72, 0.25, 0.29]) * rouge,
        frame=rng.uniform(0.05, 0.4, 3),
        jaw=rng.uniform(0.78, 0.92) if masculine else rng.uniform(0.68, 0.84),
        lashes=rng.uniform(0.3, 0.7) if masculine else rng.uniform(0.6, 1.4),
        beard=density * beard,
        moustache=density * (rng.random() < 0.8 or not beard),
        freckles=int(rng.integers(25, 60)) if tone < 3 and rng.random() < 0.35 else 0,
        moles=int(rng.integers(1, 4)) if rng.random() < 0.4 else 0,
        glasses=bool(rng.random() < 0.3),
        texture=int(rng.integers(1 << 31)),
        **_uniform(Traits, rng),
    )


def choose_variation(identity: int, sample: int, seed: int) -> Variation:
    rng = np.random.default_rng((seed, 1, identity, sample))
    yaw, pitch, roll = (float(np.clip(rng.normal(0, s), -2 * s, 2 * s)) for s in (0.27, 0.12, 0.09))
    light = np.array([rng.uniform(-1.2, 1.2), rng.uniform(-1.0, 0.3), 0.8])
    exposure, contrast = rng.uniform(0.72, 1.04), rng.uniform(0.25, 0.75)
    warmth = rng.normal(0, 0.06)
    tint = np.array([1 + warmth, 1, 1 - warmth])
    grey, hue = rng.uniform(0.2, 0.85), rng.normal(0, 0.05, 3)
    return Variation(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        light=light / np.linalg.norm(light),
        key=exposure * contrast * 1.25 * tint,
        fill=exposure * (1 - contrast * 0.85) / tint,
        smile=float(np.clip(rng.normal(0.4, 0.45), -0.7, 1)),
        gape=max(0.0, rng.uniform(-0.16, 0.12)),
        glasses=bool(rng.random() < 0.55),
        # Related colours: unrelated ones look like a test pattern.
        backdrop=np.clip(grey + hue + rng.uniform(-0.13, 0.13, (3, 1)), 0.05, 0.97),
        clothes=np.clip(rng.uniform(0.15, 0.8) + rng.normal(0, 0.12, 3), 0.03, 0.95),
        camera=int(rng.integers(1 << 31)),
        **_uniform(Variation, rng),
    )


def _uniform(cls: type[Traits | Variation], rng: np.random.Generator) -> dict[str, float]:
    ranges = {f.name: f.metadata["range"] for f in fields(cls) if f.metadata}
    return {name: float(rng.uniform(*span)) for name, span in ranges.items()}
