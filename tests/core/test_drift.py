"""Drift: the index is the formula's, chance is told from change, and the command says which."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from facenet.evaluation import EDGES, drift, histogram, similarity_to_own
from facenet.models import Spread, read_card, update_card
from facenet.recognition import Recognizer
from facenet_serve import Options
from facenet_serve.app import make_app
from facenet_serve.metrics import Metrics


def scores(count: int, *, mean: float = 0.6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.12, count).clip(-1, 1)


@pytest.fixture
def bundle(bundle: Path) -> Path:
    """Calibrated on drawn scores."""
    calibration = read_card(bundle).calibration
    assert calibration is not None
    spread = Spread(genuine=histogram(scores(5000)), searches=histogram(scores(5000, mean=0.7)))
    update_card(
        bundle, {"calibration": calibration.model_copy(update={"threshold": 0.4, "spread": spread})}
    )
    return bundle


@pytest.fixture
def config(bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "drift.yaml"
    path.write_text(f"checkpoint_path: {bundle}\ndevice: cpu\nquality: off\nstore: memory\n")
    return path


def metrics_file(path: Path, **similarities: np.ndarray) -> Path:
    """What a service that gave such answers says of them."""
    metrics = Metrics()
    for operation, found in similarities.items():
        for similarity in found:
            metrics.decided(operation, float(similarity), found=True)
    path.write_bytes(metrics.text())
    return path


def test_the_index_is_the_formulas() -> None:
    before = np.zeros(len(EDGES) - 1, int)
    now = before.copy()
    before[[20, 25, 30]], now[[20, 25, 30]] = (500, 300, 200), (200, 300, 500)
    found = drift(before, now)
    assert found.psi == pytest.approx(2 * 0.3 * math.log(0.5 / 0.2))
    assert [(each.before, each.now) for each in found.bins] == [(0.5, 0.2), (0.3, 0.3), (0.2, 0.5)]
    assert found.verdict == "drifted"


def test_a_bin_that_is_empty_now_leaves_the_index_finite() -> None:
    found = drift(histogram(scores(1000)), histogram(scores(1000, mean=0.95)))
    assert found.psi is not None
    assert 1 < found.psi < 100


def test_only_what_lies_above_is_compared() -> None:
    strangers = scores(3000, mean=0.1)
    now = histogram(np.concatenate([scores(1000, seed=1), strangers]))
    assert drift(histogram(scores(5000)), now).verdict == "drifted"
    assert drift(histogram(scores(5000)), now, above=0.5).verdict == "stable"


def test_chance_exceeds_its_limit_once_in_twenty_times() -> None:
    before = histogram(scores(4000))
    drawn = [drift(before, histogram(scores(400, seed=seed))) for seed in range(1, 601)]
    exceeded = np.mean([each.psi > each.by_chance for each in drawn])
    # `before` is one draw, and the same for all: the share is not exactly that of the formula.
    assert 0.01 < exceeded < 0.12


def test_few_scores_have_no_verdict() -> None:
    found = drift(histogram(scores(4000)), histogram(scores(12, mean=0.5)))
    assert (found.verdict, found.now) == ("too few", 12)
    assert drift(histogram(scores(9)), (0,) * 40).to_dict()["psi"] is None


def test_a_search_at_calibration_is_among_ones_other_photos() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = np.array([0, 1, 0, 2, 0, 1])
    expected = []
    for row in (0, 1, 2, 4, 5):
        others = [other for other in range(6) if people[other] == people[row] and other != row]
        mean = vectors[others].mean(axis=0)
        expected.append(float(vectors[row] @ mean / np.linalg.norm(mean)))
    np.testing.assert_allclose(similarity_to_own(vectors, people), expected, atol=1e-6)


def test_the_service_tells_prometheus(bundle: Path, faces: Path) -> None:
    settings = {"device": "cpu", "store": "memory", "quality": "off", "threshold": -1}
    options = Options.model_validate({}, context={"config_dir": bundle})
    one, other = (faces / name / "000.jpg" for name in ("id-000", "id-001"))
    with Recognizer.from_pretrained(bundle, **settings) as recognizer:
        recognizer.enrol("Ann", [one])
        with TestClient(
            make_app(recognizer, options),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 1),
        ) as client:
            assert "facenet_similarity_psi{" not in client.get("/metrics").text
            client.post("/v1/search", files={"image": one.read_bytes()})
            client.post(
                "/verify", files={"image_a": one.read_bytes(), "image_b": other.read_bytes()}
            )
            said = client.get("/metrics").text
    lines = [line for line in said.splitlines() if line.startswith("facenet_similarity_psi")]
    values = dict(line.rsplit(" ", 1) for line in lines)
    for operation in ("search", "verify"):
        assert float(values[f'facenet_similarity_psi{{operation="{operation}"}}']) > 0.25
        assert float(values[f'facenet_similarity_psi_by_chance{{operation="{operation}"}}']) > 0.1


# On the command line


def test_scores_as_at_calibration_have_not_drifted(facenet, config: Path, tmp_path: Path) -> None:
    file = metrics_file(
        tmp_path / "metrics", search=scores(800, mean=0.7, seed=1), verify=scores(800, seed=2)
    )
    figure = tmp_path / "drift.png"
    ran = facenet("store", "drift", "--config", config, "--metrics", file, "--figure", figure)
    assert ran.code == 0, ran.err
    assert ran.out.count("as at calibration (") == 2
    assert Image.open(figure).width > 1000
    found = facenet("store", "drift", "--config", config, "--metrics", file, "--json").json()
    assert max(each["psi"] for each in found.values()) < 0.1


def test_scores_that_fell_have_drifted(facenet, config: Path, tmp_path: Path) -> None:
    file = metrics_file(tmp_path / "metrics", search=scores(800, mean=0.55, seed=1))
    ran = facenet("store", "drift", "--config", config, "--metrics", file)
    assert ran.code == 1
    assert "search: no longer the faces that the threshold was measured on" in ran.out
    assert "verify" not in ran.out


def test_photos_are_searched_for(
    facenet, config: Path, bundle: Path, own_faces: Path, tmp_path: Path
) -> None:
    """In the gallery; of three photos each, the others are enrolled."""
    for photo in sorted(own_faces.glob("*/*")):
        half = "enrolled" if int(photo.stem) < 3 else "probes"
        (tmp_path / half / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / half / photo.parent.name / photo.name).write_bytes(photo.read_bytes())
    run = ("--config", config, "--set", "store=pgvector")
    data = ("--data", own_faces, "--target-far", 0.1)
    calibrated = facenet("calibrate", *run, *data, "--json").json()
    assert sum(calibrated["spread"]["searches"]) == 72
    assert sum(calibrated["spread"]["genuine"]) == calibrated["genuine_pairs"]
    assert facenet("populate", *run, "--data", tmp_path / "enrolled").code == 0
    run = (*run, "--set", "threshold=-1", "--images", tmp_path / "probes")
    found = facenet("store", "drift", *run, "--json").json()
    assert found["search"]["now"] == 36


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("http://127.0.0.1:1/metrics", "http://127.0.0.1:1/metrics: no service answers: "),
        ("nothing.txt", "nothing.txt: no such file; an address begins with http://"),
        (__file__, "not the metrics of a service"),
    ],
)
def test_what_is_no_metrics_is_said_in_a_line(
    facenet, config: Path, metrics: str, said: str
) -> None:
    ran = facenet("store", "drift", "--config", config, "--metrics", metrics)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_a_card_that_remembers_nothing_must_be_calibrated_again(
    facenet, trained: Path, config: Path, bundle: Path, tmp_path: Path
) -> None:
    file = metrics_file(tmp_path / "metrics", search=scores(50))
    run = ("store", "drift", "--config", config, "--metrics", file, "--set")
    ran = facenet(*run, f"checkpoint_path={trained / 'bundle'}")
    assert ran.code == 2
    assert "has no histogram of a calibration: run `facenet calibrate` (again)" in ran.err

    known: Any = read_card(bundle).calibration
    listed = Spread(genuine=known.spread.genuine)
    update_card(bundle, {"calibration": known.model_copy(update={"spread": listed})})
    ran = facenet(*run, "quality=off")
    assert ran.code == 2
    assert "was calibrated on listed pairs" in ran.err
