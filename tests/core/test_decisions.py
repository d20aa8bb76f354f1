"""What another embedding space would decide about the same samples."""

from __future__ import annotations

import numpy as np
import pytest

from facenet.recognition.decisions import compare_decisions
from facenet.stores import Samples


def samples(*angles: float) -> Samples:
    """Unit vectors in the plane, by angle in degrees."""
    turned = np.radians(angles)
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    return Samples(vectors, np.ones(len(angles), np.float32))


def test_each_sample_is_compared_with_templates_that_are_made_without_it() -> None:
    # Ann's third sample lies beside Bob; with it in her template she would be taken for nobody.
    before = {"ann": samples(0, 10, 88), "bob": samples(85, 95), "eve": samples(200)}
    change = compare_decisions(before, before, 0.9, 0.9)
    assert (change.identities, change.probes, change.flips) == (3, 5, ())
    assert change.before == change.after
    assert change.before.rank_1 == pytest.approx(4 / 5)
    seen = change.before
    assert (seen.right, seen.wrong, seen.nobody) == (2, 1, 2)


def test_decisions_that_change_are_named() -> None:
    before = {"ann": samples(0, 10), "bob": samples(90, 100)}
    after = {"ann": samples(0, 60), "bob": samples(90, 100)}
    change = compare_decisions(before, after, 0.95, 0.95)
    flips = [(flip.identity, flip.sample, flip.before, flip.after) for flip in change.flips]
    assert flips == [("ann", 0, "ann", None), ("ann", 1, "ann", None)]
    assert (change.after.right, change.after.wrong, change.after.nobody) == (2, 0, 2)
    looser = compare_decisions(before, after, 0.95, 0.8)
    assert [flip.after for flip in looser.flips] == [None, "bob"]
    assert change.worse == ("rank_1", "right")
    assert looser.worse == ("rank_1", "right", "wrong")
    assert compare_decisions(after, before, 0.95, 0.95).worse == ()


def test_without_a_threshold_there_are_no_decisions() -> None:
    gallery = {"ann": samples(0, 10), "bob": samples(90, 100)}
    change = compare_decisions(gallery, gallery, None, 0.5)
    assert change.before.right is None
    assert (change.after.right, change.flips, change.worse) == (4, (), ())
    nobody = compare_decisions({}, {}, 0.5, 0.5)
    assert (nobody.probes, nobody.before.rank_1) == (0, 0.0)
